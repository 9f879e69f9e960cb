"""What can be configured about logging."""

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
    """Which records are written, in which form, and where. Everything can come from TOML or the environment.

    A record goes to exactly one place, so nothing is ever printed twice. By default that place is the loguru
    of the application: without any set-up loguru prints one readable line per record to stderr, and where the
    application has added handlers of its own the records join its log, in its format.
    """

    level: str = field(default="INFO", converter=_upper, validator=one_of(*LEVELS))
    """The least level that is written, one of loguru's."""
    events: bool = field(default=False, validator=flag)
    """Whether there is a DEBUG record for each event, never its content; needs `level` DEBUG."""
    json: bool = field(default=False, validator=flag)
    """One JSON object per line; for stderr, stdout and files."""
    sink: str | None = field(default=None, validator=optional(text))
    """Where records go. None: the handlers that the application has on loguru. Else ``stderr``, ``stdout``,
    the path of a file, or ``stdlib`` for the standard logger ``unbroken``; then the application's loguru sees
    nothing of them."""
    allow_headers: frozenset[str] = field(default=frozenset(), converter=_lowered)
    """Headers whose values are in the record of a call; credentials are hidden all the same."""
    queue_size: int = field(default=1000, validator=number(at_least=0, whole=True))
    """How many records may wait for a slow sink before the oldest is dropped; 0 writes within the hook."""

    def __attrs_post_init__(self) -> None:
        if self.json and self.sink in {None, "stdlib"}:
            raise refused("json", "needs a sink of its own: stderr, stdout or a path (others format by themselves)")


class LoggingOptions(TypedDict, total=False):
    """The keywords of `Logging`: one for each setting of `LoggingConfig`, which describes them."""

    level: str
    events: bool
    json: bool
    sink: str | None
    allow_headers: Iterable[str]
    queue_size: int
