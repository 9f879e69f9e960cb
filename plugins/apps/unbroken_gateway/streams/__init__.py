"""The logs of resumable streams. Each implementation passes one contract suite.

A frame is the whole text of one event as the client gets it, without an ``id:`` line, with the empty line at its end.
Frames are numbered from 1 without a gap. The log has one writer, whose epoch is 1; whoever finds an open log without a
lease buries it, which raises the epoch, so that a writer that wakes up again can append nothing.
"""

from collections.abc import Sequence
from typing import Final, Literal, Protocol

from attrs import frozen

DEADLINE: Final = 0.1
"""Seconds that an operation on a log may take; then it raises `LogUnavailable`."""

StreamState = Literal["open", "done", "error", "cancelled"]


class Fenced(Exception):
    """The log has another writer or none: it was buried, cancelled or deleted."""


class LogUnavailable(Exception):
    """The store did not answer in time, or not at all."""


@frozen(kw_only=True)
class Page:
    """A part of a log."""

    frames: tuple[bytes, ...]
    """The frames after the cursor, the first being that of cursor + 1."""
    first: int
    """The number of the oldest frame that is kept; 1 when nothing was trimmed."""
    last: int
    """The number of the newest frame; 0 when there is none."""
    state: StreamState
    owner: str
    lease: bool
    """Whether the writer is alive."""
    readers: int
    """How many readers attend, in all workers."""


class StreamLog(Protocol):
    """The store of the logs of all streams. Every operation but `wait` and `aclose` ends within `DEADLINE`.

    Any of them may raise LogUnavailable. Then it is not known whether the operation was done.
    """

    async def create(self, id: str, owner: str, ttl: float, lease: float) -> int:
        """Open a log of `owner` and return its epoch. Raises Fenced if there is one with this `id`.

        The log is kept `ttl` seconds after its last event or beat, the writer is alive for `lease` seconds after each.
        """
        ...

    async def append(
        self, id: str, epoch: int, seq: int, frames: Sequence[bytes], end: StreamState | None = None
    ) -> int:
        """Append frames, the first of number `seq`, renew the lease, and with `end` close the log.

        Returns the number of the last frame. A repeated append of the same frames, after a lost answer, adds nothing.
        When the log gets too large, its oldest frames are trimmed, but never the newest. Raises Fenced, and ValueError
        if `seq` neither follows the last frame nor repeats the last append.
        """
        ...

    async def beat(self, id: str, epoch: int) -> bool:
        """Renew the lease. Returns False when the log is not open or is another writer's."""
        ...

    async def read(self, id: str, after: int, limit: int = 256) -> Page | None:
        """Return the frames after number `after`, at most `limit`; None for an unknown log.

        If the frame of `after` + 1 was trimmed, the page begins with the oldest that is kept.
        """
        ...

    async def wait(self, id: str, after: int, seconds: float) -> None:
        """Return when there may be frames after `after` or a new state, at the latest after `seconds`."""
        ...

    async def bury(self, id: str, frame: bytes) -> int | None:
        """Close an open log without a lease: raise the epoch, append `frame`, state ``error``. None if it is not so."""
        ...

    async def cancel(self, id: str, frame: bytes) -> bool:
        """Close an open log at its reader's wish: raise the epoch, append `frame`, state ``cancelled``."""
        ...

    async def attend(self, id: str, reader: str, seconds: float, limit: int | None = None) -> bool:
        """Count `reader` among the readers of a log for `seconds`; 0 takes it out.

        Returns False for an unknown log, and if `reader` is not among them yet and would be more than `limit`.
        """
        ...

    async def advance(self, id: str, mark: str, to: int) -> int:
        """Move a named mark of a log forward to `to`, never back. Returns where it stands; `to` for an unknown log."""
        ...

    async def delete(self, id: str) -> None:
        """Remove a log and its content."""
        ...

    async def aclose(self) -> None:
        """Close connections and threads."""
        ...
