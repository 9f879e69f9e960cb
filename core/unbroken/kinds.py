"""The kinds of events: what an event is to the engine, whatever the API calls it."""

from typing import ClassVar, Final


class Kind(int):
    """The kind of an event, as bits: ``PREAMBLE | USAGE``. An int, because the engine tests it for every event."""

    __slots__ = ()

    KEEPALIVE: ClassVar["Kind"]
    """No progress: it is delivered, but it neither restarts a timeout nor commits."""
    PREAMBLE: ClassVar["Kind"]
    """Comes before the first content. Held back until the commit, so that a failure can still be retried invisibly.

    It is no progress: a server may repeat it for as long as it has nothing to say.
    """
    CONTENT: ClassVar["Kind"]
    """Part of the answer. The first content event commits."""
    TERMINAL: ClassVar["Kind"]
    """Proves that the stream is complete."""
    ERROR: ClassVar["Kind"]
    """The server reports a failure within the stream."""
    STRUCTURE: ClassVar["Kind"]
    """A part of the answer begins or ends. Held back until the commit like PREAMBLE, but progress."""
    USAGE: ClassVar["Kind"]
    """Has token counts. It is combined with one of the other kinds."""
    HIDDEN: ClassVar["Kind"]
    """Is not delivered, such as a mark that is no JSON. It is combined with TERMINAL."""

    def __or__(self, other: int) -> "Kind":
        return Kind(int(self) | int(other))

    def __repr__(self) -> str:
        return " | ".join(name for kind, name in _NAMES.items() if self & kind) or "Kind(0)"


KEEPALIVE: Final = Kind(1)
PREAMBLE: Final = Kind(2)
CONTENT: Final = Kind(4)
TERMINAL: Final = Kind(8)
ERROR: Final = Kind(16)
USAGE: Final = Kind(32)
STRUCTURE: Final = Kind(64)
HIDDEN: Final = Kind(128)
_NAMES: Final = {
    KEEPALIVE: "KEEPALIVE",
    PREAMBLE: "PREAMBLE",
    CONTENT: "CONTENT",
    TERMINAL: "TERMINAL",
    ERROR: "ERROR",
    STRUCTURE: "STRUCTURE",
    USAGE: "USAGE",
    HIDDEN: "HIDDEN",
}
for _kind, _name in _NAMES.items():
    setattr(Kind, _name, _kind)
