"""The notes of an error that a call raises: a line for each attempt, which Python shows below the traceback."""

from typing import Final

from ..error_bodies import safe_line
from ..errors import Attempt, Error

MOST: Final = 9
"""The most attempts that are told one by one, the newest."""
_PREFIX: Final = "attempt "


def add_notes(error: Error) -> None:
    """Give `error` a note for each attempt in its history, in place of those that it has from an earlier call."""
    told = error.history[-MOST:]
    kept = [note for note in getattr(error, "__notes__", ()) if not str(note).startswith(_PREFIX)]
    lines = [_line(attempt) for attempt in told]
    if told and told[0].number > 1:
        lines.insert(0, f"{_PREFIX}1 to {told[0].number - 1}: in `history`, as far as it is kept")
    if kept or lines:
        error.__notes__ = [*kept, *lines]


def _line(attempt: Attempt) -> str:
    status = "" if attempt.status_code is None else f" {attempt.status_code}"
    next_step = "not retried" if attempt.delay is None else f"retried after {attempt.delay:.3g} s"
    reason = safe_line(attempt.reason)
    return f"{_PREFIX}{attempt.number}: {attempt.error}{status}, {next_step}{f' ({reason})' if reason else ''}"
