"""Where a reader stands, and what it is answered when it cannot read on from there."""

import re
import secrets
from enum import Enum
from typing import Final, Literal

Kind = Literal["interrupted", "cancelled", "trimmed", "unavailable"]
"""Why a stream ends with a frame of ours: its producer died, its user or nobody wanted it, the next frame is not kept
any more, or the log does not answer."""

_ID: Final = "[A-Za-z0-9_-]{24}"
_CURSOR: Final = re.compile(rf"({_ID})\.(0|[1-9][0-9]{{0,9}})")


class Refusal(Enum):
    """Why a stream is not served. The value is the HTTP status."""

    END = 204
    """The cursor is at the end of a closed stream: there is nothing more to come."""
    MALFORMED = 400
    UNKNOWN = 404
    """No such stream, another user's, or a cursor that the stream has not reached: R26, one answer for all."""
    TRIMMED = 410
    """The frame after the cursor is not kept any more."""
    CROWDED = 429
    """As many readers as a stream may have are there already."""


def new_id() -> str:
    """Return a random id of 24 URL-safe characters."""
    return secrets.token_urlsafe(18)


def parse_cursor(id: str, text: str | None) -> int | Refusal:
    """Return the number of the last frame that a reader of the stream `id` has; 0 if it sent no cursor."""
    if not text:
        return 0
    match = _CURSOR.fullmatch(text)
    if match is None:
        return Refusal.MALFORMED
    return int(match[2]) if match[1] == id else Refusal.UNKNOWN
