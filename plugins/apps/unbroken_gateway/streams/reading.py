"""Sends a stream to one reader: what is in the log after its cursor, then what comes."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from attrs import define, field

from ..replies.frames import Form
from . import LogUnavailable, Page
from .cursors import Kind
from .worker import Worker, run_task
from .writing import RETRY

Send = Callable[[bytes, bool], Awaitable[None]]
"""Sends a part of the body; the second argument says whether more follows."""

KEEPALIVE: Final = b": keepalive\n"
"""A comment without an empty line: it belongs to the next event, so that no client sees an event without data."""
PEEK: Final = 0.9
"""Seconds after which a reader looks whether a producer in another worker is alive."""


@define(eq=False, kw_only=True)
class Reader:
    """One reader of a stream, which has a place among its readers. Serve it once, or let it leave."""

    id: str
    form: Form
    """Of the frames of the stream."""
    after: int
    """The number of the last frame that was sent."""
    _worker: Worker = field(alias="worker")
    _name: str = field(alias="name")
    _attended: float = field(alias="attended")
    _answered: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._answered = self._attended

    async def serve(self, send: Send, *, keepalive: float, ids: bool = True) -> None:
        """Send every frame after the cursor until the stream has ended, each with its `id:` line if `ids`.

        The numbers follow each other without a gap; where that is impossible, a terminal error frame without an id is
        sent. `keepalive` is in seconds of silence. What `send` raises comes out. An open stream whose producer has died
        is closed here.
        """
        live = self._worker.live.get(self.id)
        if live is not None:
            live.readers += 1
        try:
            await self._relay(send, keepalive, ids)
        finally:
            if live is not None:
                live.readers -= 1
                live.unread_since = self._worker.clock.monotonic()
            self.leave()

    def leave(self) -> None:
        """Give the place back, in a task of its own: that of the reader may have been cancelled."""
        run_task(self._give_place_back(), self._worker.errands)

    async def _give_place_back(self) -> None:
        with contextlib.suppress(LogUnavailable):  # then the place ends by itself
            await self._worker.log.attend(self.id, self._name, 0)

    async def _relay(self, send: Send, keepalive: float, ids: bool) -> None:
        clock, log = self._worker.clock, self._worker.log
        spoke = clock.monotonic()
        while True:
            page = await self._read()
            if isinstance(page, str):
                return await send(self._worker.frame_of(self.form, page), False)
            if page.frames:
                text = self._text(page.frames, ids)
                self.after += len(page.frames)
                await send(text, page.state == "open" or self.after < page.last)
                spoke = clock.monotonic()
            if self.after < page.last:
                continue
            if page.state != "open":
                return None if page.frames else await send(b"", False)
            await self._attend()
            if not page.lease and not self._worker.writes(self.id):
                with contextlib.suppress(LogUnavailable):
                    await log.bury(self.id, self._worker.frame_of(self.form, "interrupted"))
                continue
            silence = spoke + keepalive - clock.monotonic()
            if silence <= 0:
                await send(KEEPALIVE, True)
                spoke = clock.monotonic()
                continue
            with contextlib.suppress(LogUnavailable):
                await log.wait(self.id, self.after, min(silence, self._pause()))

    async def _read(self) -> Page | Kind:
        """Return the frames after the cursor, or why there will be none. Asks again while the lease may hold."""
        clock, log = self._worker.clock, self._worker.log
        while True:
            try:
                page = await log.read(self.id, self.after)
            except LogUnavailable:
                if clock.monotonic() - self._answered >= self._worker.settings.lease:
                    return "unavailable"
                await clock.asleep(RETRY)
                continue
            self._answered = clock.monotonic()
            if page is None:
                return "cancelled"
            return "trimmed" if page.first > self.after + 1 else page

    def _text(self, frames: tuple[bytes, ...], ids: bool) -> bytes:
        if not ids:
            return b"".join(frames)
        stream = self.id.encode()
        return b"".join([b"id: %b.%d\n%b" % (stream, seq, frame) for seq, frame in enumerate(frames, self.after + 1)])

    def _pause(self) -> float:
        lease = self._worker.settings.lease
        return lease / 2 if self._worker.writes(self.id) else min(lease / 4, PEEK)

    async def _attend(self) -> None:
        """Keep the place among the readers."""
        now = self._worker.clock.monotonic()
        if now - self._attended >= self._worker.settings.lease / 2:
            self._attended = now
            with contextlib.suppress(LogUnavailable):
                await self._worker.log.attend(self.id, self._name, self._worker.presence)
