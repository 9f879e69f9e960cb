"""The logs of one worker, in memory."""

import asyncio
from collections import deque
from collections.abc import Sequence

from attrs import define, field

from unbroken.clock import Clock, SystemClock

from . import Fenced, Page, StreamState
from .rules import FIRST_EPOCH, accepts, surplus
from .waking import Bells, hear


@define(eq=False, kw_only=True)
class _Log:
    owner: str
    ttl: float
    lease: float
    leased: float
    expires: float
    epoch: int = FIRST_EPOCH
    state: StreamState = "open"
    first: int = 1
    size: int = 0
    frames: deque[bytes] = field(factory=deque[bytes])
    readers: dict[str, float] = field(factory=dict[str, float])
    marks: dict[str, int] = field(factory=dict[str, int])

    @property
    def last(self) -> int:
        return self.first + len(self.frames) - 1


class MemoryLog:
    """A `StreamLog` for one worker. No operation waits for anything, so each is atomic."""

    def __init__(self, max_bytes: int, clock: Clock | None = None) -> None:
        self._max_bytes = max_bytes
        self._clock = SystemClock() if clock is None else clock
        self._logs: dict[str, _Log] = {}
        self._bells = Bells()
        self._sweeping: asyncio.TimerHandle | None = None

    async def create(self, id: str, owner: str, ttl: float, lease: float) -> int:
        """Open a log of `owner` and return its epoch. Raises Fenced if there is one with this `id`."""
        now = self._clock.monotonic()
        if self._find(id) is not None:
            raise Fenced
        self._logs[id] = _Log(owner=owner, ttl=ttl, lease=lease, leased=now + lease, expires=now + ttl)
        self._sweep_later(ttl)
        return FIRST_EPOCH

    async def append(
        self, id: str, epoch: int, seq: int, frames: Sequence[bytes], end: StreamState | None = None
    ) -> int:
        """Append frames, renew the lease, and with `end` close the log. Raises Fenced and ValueError."""
        log = self._find(id)
        if log is None:
            raise Fenced
        fresh = accepts(log.state, log.epoch, log.last, epoch, seq, len(frames), end)
        if fresh:
            self._add(log, frames)
            log.state = end or log.state
            self._bells.ring(id)
        if fresh or end is None:
            self._renew(log)
        return log.last

    async def beat(self, id: str, epoch: int) -> bool:
        """Renew the lease. Returns False when the log is not open or is another writer's."""
        log = self._find(id)
        if log is None or log.epoch != epoch or log.state != "open":
            return False
        self._renew(log)
        return True

    async def read(self, id: str, after: int, limit: int = 256) -> Page | None:
        """Return the frames after number `after`, at most `limit`; None for an unknown log."""
        log = self._find(id)
        if log is None:
            return None
        now = self._clock.monotonic()
        start = max(after + 1 - log.first, 0)
        return Page(
            frames=tuple(log.frames[place] for place in range(start, min(start + limit, len(log.frames)))),
            first=log.first,
            last=log.last,
            state=log.state,
            owner=log.owner,
            lease=log.state == "open" and now < log.leased,
            readers=sum(now < until for until in log.readers.values()),
        )

    async def wait(self, id: str, after: int, seconds: float) -> None:
        """Return when there may be frames after `after` or a new state, at the latest after `seconds`."""
        with self._bells.listening(id) as news:
            log = self._find(id)
            if log is not None and log.state == "open" and log.last <= after:
                await hear(news, seconds)

    async def bury(self, id: str, frame: bytes) -> int | None:
        """Close an open log without a lease: raise the epoch, append `frame`, state ``error``. None if it is not so."""
        log = self._find(id)
        if log is None or self._clock.monotonic() < log.leased or not self._close(id, log, frame, "error"):
            return None
        return log.last

    async def cancel(self, id: str, frame: bytes) -> bool:
        """Close an open log at its reader's wish: raise the epoch, append `frame`, state ``cancelled``."""
        log = self._find(id)
        return log is not None and self._close(id, log, frame, "cancelled")

    async def attend(self, id: str, reader: str, seconds: float, limit: int | None = None) -> bool:
        """Count `reader` among the readers of a log for `seconds`, if it is among the first `limit`."""
        log = self._find(id)
        if log is None:
            return False
        now = self._clock.monotonic()
        log.readers = {other: until for other, until in log.readers.items() if now < until}
        if reader not in log.readers and limit is not None and len(log.readers) >= limit:
            return False
        log.readers[reader] = now + seconds
        return True

    async def advance(self, id: str, mark: str, to: int) -> int:
        """Move a named mark of a log forward to `to`, never back. Returns where it stands."""
        log = self._find(id)
        if log is None:
            return to
        log.marks[mark] = max(to, log.marks.get(mark, 0))
        return log.marks[mark]

    async def delete(self, id: str) -> None:
        """Remove a log and its content."""
        self._logs.pop(id, None)
        self._bells.ring(id)

    async def aclose(self) -> None:
        """Remove all logs."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for id in list(self._logs):
            await self.delete(id)

    def _find(self, id: str) -> _Log | None:
        log = self._logs.get(id)
        return log if log is not None and self._clock.monotonic() < log.expires else None

    def _renew(self, log: _Log) -> None:
        now = self._clock.monotonic()
        log.leased, log.expires = now + log.lease, now + log.ttl

    def _add(self, log: _Log, frames: Sequence[bytes]) -> None:
        log.frames.extend(frames)
        log.size += sum(map(len, frames))
        for _ in range(surplus(map(len, log.frames), log.size - self._max_bytes)):
            log.size -= len(log.frames.popleft())
            log.first += 1

    def _close(self, id: str, log: _Log, frame: bytes, state: StreamState) -> bool:
        if log.state != "open":
            return False
        self._add(log, [frame])
        log.epoch, log.state = log.epoch + 1, state
        self._renew(log)
        self._bells.ring(id)
        return True

    def _sweep_later(self, seconds: float) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        """Remove what has expired also when no operation comes any more."""
        self._sweeping = None
        now = self._clock.monotonic()
        self._logs = {id: log for id, log in self._logs.items() if now < log.expires}
        if self._logs:
            self._sweep_later(max(min(log.expires for log in self._logs.values()) - now, 1.0))
