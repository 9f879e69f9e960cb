"""Writes the frames of one stream to its log, before any reader gets them (R27)."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from attrs import define, field

from unbroken.clock import Clock

from . import Fenced, LogUnavailable, StreamLog, StreamState
from .cursors import Kind

MOST: Final = 64
"""Frames that wait for their append at most."""
RETRY: Final = 0.05
"""Seconds between two tries of an operation that the log did not answer."""


@define(eq=False, kw_only=True)
class Writer:
    """What a producer writes to. A frame that is written is in the log at the latest `batch` seconds later."""

    id: str
    """The id of the stream."""
    reason: Kind | None = None
    """Why the stream was taken from its producer; None while it is not."""
    _log: StreamLog = field(alias="log")
    _clock: Clock = field(alias="clock")
    _epoch: int = field(alias="epoch")
    _lease: float = field(alias="lease")
    _batch: float = field(alias="batch")
    _renewed: float = field(init=False)
    _flushed: float = field(init=False)
    _seq: int = field(default=1, init=False)
    _end: StreamState | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)
    _told: bool = field(default=False, init=False)
    _waiting: list[bytes] = field(factory=list[bytes], init=False)
    _under_way: tuple[list[bytes], StreamState | None] | None = field(default=None, init=False)
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _flushing: asyncio.Task[None] | None = field(default=None, init=False)
    _producer: asyncio.Task[None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._renewed = self._clock.monotonic()
        self._flushed = self._renewed - self._batch

    @property
    def ended(self) -> bool:
        """Whether the last frame was written."""
        return self._end is not None

    async def write(self, frames: Sequence[bytes], end: StreamState | None = None) -> None:
        """Write frames; with `end` they are the last. Returns before they are in the log only if more may come.

        A log that does not answer is asked again as long as the lease holds. Raises Fenced when the stream has ended or
        was taken away, and LogUnavailable when the lease is over: then the producer must close its upstream.
        """
        try:
            if self.ended or self.reason is not None:
                raise Fenced
            self._waiting.extend(frames)
            self._end = end
            seconds = self._flushed + self._batch - self._clock.monotonic()
            if end is not None or seconds <= 0 or len(self._waiting) >= MOST:
                await self._flush()
            elif self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(seconds, self._flush_later)
        except (Fenced, LogUnavailable):
            self._told = True
            raise

    async def finish(self, frame: bytes) -> None:
        """Give the stream an end if it has none: `frame`, with an error. Does nothing to one that was taken away."""
        with contextlib.suppress(Fenced, LogUnavailable):  # then another gives it an end
            if self.ended:
                await self._flush()
            else:
                await self.write([frame], "error")
        if self._timer is not None:
            self._timer.cancel()
        if self._flushing is not None:
            await asyncio.wait([self._flushing])

    async def beat(self) -> None:
        """Renew the lease unless an append did. Raises Fenced and LogUnavailable as `write`."""
        now = self._clock.monotonic()
        if self.ended or now - self._renewed < self._lease / 6:
            return
        try:
            alive = await self._log.beat(self.id, self._epoch)
        except LogUnavailable:
            if self._lost():
                raise
        else:
            if not alive and not self.ended:
                await self._learn_why()
                raise Fenced
            self._renewed = now

    def take(self, reason: Kind) -> None:
        """Take the stream from its producer and cancel that, unless it has ended or knows by an error already."""
        if self.ended or self._told:
            return
        self.reason = self.reason or reason
        self._producer.cancel()

    def belongs_to(self, producer: "asyncio.Task[None]") -> None:
        """Note the task to cancel when the stream is taken away."""
        self._producer = producer

    def _flush_later(self) -> None:
        self._flushing = asyncio.get_running_loop().create_task(self._flush_alone())

    async def _flush_alone(self) -> None:
        try:
            await self._flush()
        except Fenced:
            self.take("interrupted")
        except LogUnavailable:
            self.take("unavailable")

    async def _flush(self) -> None:
        """Append what waits. What was under way when its task was cancelled is repeated first, exactly as it was."""
        async with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            while self._under_way is not None or self._waiting or (self.ended and not self._closed):
                if self._under_way is None:
                    self._under_way = self._waiting, self._end
                    self._waiting = []
                frames, end = self._under_way
                await self._append(frames, end)
                self._under_way = None
                self._seq += len(frames)
                self._flushed = self._clock.monotonic()
                self._closed = end is not None

    async def _append(self, frames: list[bytes], end: StreamState | None) -> None:
        give_up = self._clock.monotonic() + self._lease
        while True:
            started = self._clock.monotonic()
            try:
                await self._log.append(self.id, self._epoch, self._seq, frames, end)
                self._renewed = started
                return
            except (Fenced, ValueError):  # ValueError: the store went back to an older state
                await self._learn_why()
                raise Fenced from None
            except LogUnavailable:
                if self._lost() or self._clock.monotonic() >= give_up:
                    self.reason = self.reason or "unavailable"
                    raise
            await self._clock.asleep(RETRY)

    async def _learn_why(self) -> None:
        """Note whether the log was closed by its user or for a producer that seemed dead."""
        with contextlib.suppress(LogUnavailable):
            page = await self._log.read(self.id, 0, 0)
            if self.reason is None:
                self.reason = "cancelled" if page is None or page.state == "cancelled" else "interrupted"

    def _lost(self) -> bool:
        return self._clock.monotonic() - self._renewed >= self._lease
