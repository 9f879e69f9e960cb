"""The settings of logging."""

from collections.abc import Iterable
from typing import Any, Final, TypedDict

from attrs import field, frozen

from unbroken.validators import flag, number, one_of, optional, refused, text

# loguru's own levels and their numbers.
LEVELS: Final = {
    "TRACE": 5,
    "DEBUG": 10,
    "INFO": 20,
    "SUCCESS": 25,
    "WARNING": 30,
    "ERROR": 40,
    "CRITICAL": 50,
}


def _upper(level: Any) -> Any:
    return level.upper() if isinstance(level, str) else level


def _lowered(names: Any) -> Any:
    if isinstance(names, str):
        raise refused("allow_headers", f"must be a list of header names, not {names!r}")
    return frozenset(name.lower() for name in names)


@frozen(kw_only=True)
class LoggingConfig:
    """The settings of `Logging`: which records are written, in which format, and where.

    All of them can be set in TOML or the environment. A record goes to exactly one place, so nothing is printed twice.
    By default that place is the application's loguru: without any set-up loguru prints one readable line per record to
    stderr; if the application has added handlers, the records join its log, in its format.
    """

    level: str = field(default="INFO", converter=_upper, validator=one_of(*LEVELS))
    """The lowest level that is written, one of loguru's."""
    events: bool = field(default=False, validator=flag)
    """Whether to write a DEBUG record per event, without its content. Needs `level` DEBUG."""
    json: bool = field(default=False, validator=flag)
    """Whether to write one JSON object per line. Only for stderr, stdout and files."""
    sink: str | None = field(default=None, validator=optional(text))
    """Where records go. None: to the application's loguru handlers. Otherwise ``stderr``, ``stdout``, the path of a
    file, or ``stdlib`` for the standard logger ``unbroken``; loguru then gets none of them, and is not needed."""
    allow_headers: frozenset[str] = field(default=frozenset(), converter=_lowered)
    """Headers whose values are in the record of a call. Credentials are masked all the same."""
    queue_size: int = field(default=1000, validator=number(at_least=0, whole=True))
    """How many records may wait for a slow sink before the oldest is dropped. 0: write inside the hook."""

    def __attrs_post_init__(self) -> None:
        if self.json and self.sink in {None, "stdlib"}:
            raise refused("json", "needs a sink of its own: stderr, stdout or a path (others format by themselves)")


class LoggingOptions(TypedDict, total=False):
    """The keyword arguments of `Logging`, one per setting; `LoggingConfig` documents them."""

    level: str
    events: bool
    json: bool
    sink: str | None
    allow_headers: Iterable[str]
    queue_size: int
