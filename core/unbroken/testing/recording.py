"""A recorded stream and what it means, from which `check_dialect` makes all others."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, Final

from attrs import evolve, field, frozen

from ..errors import (
    AuthenticationError,
    Error,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from ..messages import Usage

MOST_CUTS: Final = 4096
"""The bytes at which a stream is cut; of a longer one, only every second or third, and the borders of its events."""
MOST_BORDERS: Final = 128
"""The places between events in which something is put."""

# The status that a server gives the same failure.
_STATUSES: Final[dict[type[Error], int]] = {
    AuthenticationError: 401,
    OverloadedError: 529,
    QuotaExceededError: 402,
    RateLimitError: 429,
    ServerError: 500,
    ValidationError: 400,
}
_WHITE: Final = b" \t\r\n"


@frozen(kw_only=True)
class RecordedError:
    """A failure that the server reports within the stream."""

    data: bytes
    """The event as it comes over the wire, with its framing."""
    error: type[Error]
    """The class of the error that it reports."""
    status: int | None = None
    """The HTTP status of the same failure before the stream; by default the one of the class, if it has one."""
    body: bytes | None = None
    """The body of that answer; by default the data of the event."""

    @property
    def twin(self) -> int | None:
        """The HTTP status of the same failure, None if it is none of HTTP."""
        return _STATUSES.get(self.error) if self.status is None else self.status


@frozen(kw_only=True)
class Recording:
    """A good stream, the same in the parts from which others are made, and what it means.

    Raises ValueError for a recording that cannot be one.
    """

    pieces: tuple[bytes, ...] = field(converter=tuple[bytes, ...])
    """The body. Each piece is one event as it comes over the wire, with its framing."""
    text: str
    """The whole text of the answer."""
    usage: Usage | None = None
    """The token counts at the end; None if the stream has none."""
    content_type: str = "text/event-stream"
    proof: int | None = None
    """How many pieces prove that the answer is complete if the body then ends normally; by default all.

    0 for a stream whose only proof is the normal end of the body.
    """
    terminal: bool | None = None
    """Whether the last piece is a terminal event, behind which nothing counts.

    By default what the dialect says in `has_terminal_event`.
    """
    numbered: bool = False
    """Whether the events have numbers, so that one that is missing, repeated or out of order shows."""
    keepalives: tuple[bytes, ...] = field(default=(), converter=tuple[bytes, ...])
    """What the server sends while it has nothing to say: no progress."""
    unknown: tuple[bytes, ...] = field(default=(), converter=tuple[bytes, ...])
    """Events that the dialect does not know. They change neither the text nor the counts."""
    errors: tuple[RecordedError, ...] = field(default=(), converter=tuple[RecordedError, ...])
    request: Any = field(factory=lambda: {"stream": True})
    """The JSON body of the request."""
    url: str = "https://api.example.org/stream"
    """The URL of the request, for a dialect that goes by it."""

    def __attrs_post_init__(self) -> None:
        if not self.pieces or not all(self.pieces):
            raise ValueError("pieces must be the events of a stream, none of them empty")
        if self.proof is not None and not 0 <= self.proof <= len(self.pieces):
            raise ValueError(f"proof must be a number of pieces from 0 to {len(self.pieces)}, not {self.proof}")

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)

    @property
    def proved_by(self) -> int:
        """The number of pieces that prove the answer complete."""
        return len(self.pieces) if self.proof is None else self.proof

    def with_terminal(self, default: bool) -> "Recording":
        """Return the recording with `terminal` decided."""
        return evolve(self, terminal=default) if self.terminal is None else self

    def borders(self, most: int) -> list[int]:
        """Return the places between events, as numbers of pieces before them: all, or `most` and the last one."""
        return [*_spread(range(len(self.pieces)), most), len(self.pieces)]

    def cuts(self, most: int) -> list[int]:
        """Return the places to cut, in bytes: all, or `most` of them and the borders of the events."""
        borders = accumulate(map(len, self.pieces), initial=0)
        return sorted({*_spread(range(len(self.body)), most), *borders})

    def arrived(self, at: int) -> tuple[int, bytes]:
        """Return how many pieces are whole in the first `at` bytes, and what is missing of the next one."""
        whole = 0
        for piece in self.pieces:
            if at < len(piece):
                return whole, piece[at:] if at else piece
            at -= len(piece)
            whole += 1
        return whole, b""

    def proven(self, at: int, *, clean: bool) -> bool | None:
        """Return whether the first `at` bytes and this end are a complete answer; None if it may be taken for one.

        Within an event it may: if only white space is missing of the proof, or where the proof has come already.
        """
        whole, missing = self.arrived(at)
        needed = self.proved_by if clean else len(self.pieces)
        if not clean and not self.terminal:
            return False
        inside = missing != b"" and missing != self.pieces[whole]
        if whole >= needed:
            return None if inside else True
        return None if whole == needed - 1 and not missing.strip(_WHITE) else False

    def place(self, at: int) -> str:
        """Return a place in words, given in bytes."""
        whole, missing = self.arrived(at)
        within = f"in event {whole + 1}" if missing and missing != self.pieces[whole] else f"behind {whole} events"
        return f"at byte {at}, {within}"


def _spread(places: range, most: int) -> Iterable[int]:
    """Return `places`, or about `most` of them at equal distances."""
    return places[:: -(-len(places) // most) or 1]


def inserted(pieces: tuple[bytes, ...], at: int, piece: bytes) -> bytes:
    """Return the body of `pieces` with another one behind the first `at`."""
    return b"".join((*pieces[:at], piece, *pieces[at:]))


def reordered(count: int, at: int) -> Iterator[tuple[str, list[int]]]:
    """Yield the ways to repeat, leave out and move the piece number `at` of `count`, as numbers of pieces."""
    order = list(range(count))
    yield "repeated", [*order[: at + 1], *order[at:]]
    yield "left out", [*order[:at], *order[at + 1 :]]
    if at + 2 < count:
        yield "behind the next one", [*order[:at], at + 1, at, *order[at + 2 :]]
