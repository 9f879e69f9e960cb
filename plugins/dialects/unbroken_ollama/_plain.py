"""A line of the ordinary form: text or thinking in an answer that goes on."""

from typing import Any

import msgspec


# No field is skipped: a decoder does not look into what it skips, where there may be a number that is too large.
class _Message(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    role: Any = None
    content: str | None = None
    thinking: str | None = None


class _Line(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    done: bool
    model: Any = None
    created_at: Any = None
    remote_model: Any = None
    remote_host: Any = None
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None


class Plain(msgspec.Struct, gc=False):
    """What a line of the ordinary form says."""

    model: Any
    text: str | None
    """The text of the answer, None without any."""
    says_anything: bool


_decode = msgspec.json.Decoder(_Line).decode


def plain_in(raw: bytes) -> Plain | None:
    """Return what a line of the ordinary form says, None for any other data."""
    try:
        line = _decode(raw)
    except (ValueError, RecursionError):
        return None
    if line.done:
        return None
    message = line.message
    if message is None:
        text, thinking = line.response, line.thinking
    else:
        text, thinking = message.content or line.response, message.thinking or line.thinking
    return Plain(line.model, text or None, bool(text or thinking))
