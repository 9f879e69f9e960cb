"""The resumable streams of one worker: their producers, and the way to their readers."""

import asyncio
import secrets
from typing import Final

from unbroken.clock import Clock, SystemClock

from ..config.settings import Resume
from ..replies.frames import Form
from . import StreamLog
from .cursors import Refusal, new_id
from .producing import OnFailure, Produce, run_producer
from .reading import Reader, Send
from .worker import FrameOf, Live, Worker, form_of, owner_of, owner_with_form, run_task
from .writing import Writer

BATCH: Final = 0.02
"""Seconds that a frame waits for others at most. The first after a silence does not wait."""


class Draining(Exception):
    """No new stream is started: the worker is to end."""


class Streams:
    """The streams of one worker over the log of all workers."""

    def __init__(
        self,
        log: StreamLog,
        settings: Resume,
        frame_of: FrameOf,
        *,
        on_failure: OnFailure,
        batch: float = BATCH,
        clock: Clock | None = None,
    ) -> None:
        """Use `log`, which stays the caller's to close. A `batch` of 0 is best for a log in memory."""
        self._worker = Worker(
            log=log, settings=settings, frame_of=frame_of, clock=SystemClock() if clock is None else clock
        )
        self._on_failure = on_failure
        self._batch = batch
        self._producers: set[asyncio.Task[None]] = set()
        self._draining = False

    async def start(
        self,
        owner: str,
        produce: Produce,
        *,
        id: str | None = None,
        form: Form = "messages",
        ttl: float | None = None,
    ) -> str:
        """Open a log of `owner`, run `produce` as a task of the stream, and return the stream's id.

        An `id` of None is replaced by a new one (`cursors.new_id`). The log is kept `ttl` seconds after the last event.
        A producer that returns without an end, or raises, ends the stream with an error. Raises Draining and
        LogUnavailable.
        """
        if self._draining:
            raise Draining
        id, worker, settings = id or new_id(), self._worker, self._worker.settings
        lifetime = settings.ttl if ttl is None else ttl
        stored, lease = owner_with_form(owner, form), settings.lease
        epoch = await worker.log.create(id, stored, lifetime, lease)
        writer = Writer(id=id, log=worker.log, clock=worker.clock, epoch=epoch, lease=lease, batch=self._batch)
        now = worker.clock.monotonic()
        live = Live(writer=writer, form=form, unread_since=now, look_at=now + settings.grace / 4)
        worker.live[id] = live
        producing = run_producer(worker, live, produce, self._on_failure)
        writer.belongs_to(run_task(producing, self._producers))
        return id

    async def open(self, id: str, owner: str, after: int) -> Reader | Refusal:
        """Give a reader whose cursor is `after` a place, or say what it is answered. Raises LogUnavailable.

        A reader that is not served must `leave`.
        """
        page = await self._worker.log.read(id, after, 0)
        if page is None or owner != owner_of(page) or after > page.last:
            return Refusal.UNKNOWN
        if page.first > after + 1:
            return Refusal.TRIMMED
        if page.state != "open" and after == page.last:
            return Refusal.END
        name, now = secrets.token_urlsafe(6), self._worker.clock.monotonic()
        reader = Reader(id=id, form=form_of(page), after=after, worker=self._worker, name=name, attended=now)
        try:
            has_place = await self._worker.log.attend(id, name, self._worker.presence, self._worker.settings.readers)
        except BaseException:  # it may have got its place all the same
            reader.leave()
            raise
        return reader if has_place else Refusal.CROWDED

    async def serve(
        self, id: str, owner: str, after: int, send: Send, *, keepalive: float, ids: bool = True
    ) -> Refusal | None:
        """Open a stream and serve it to its end; see `Reader.serve`. Returns why not if it sent nothing."""
        reader = await self.open(id, owner, after)
        if isinstance(reader, Refusal):
            return reader
        await reader.serve(send, keepalive=keepalive, ids=ids)
        return None

    async def cancel(self, id: str, owner: str) -> bool:
        """End a stream and its producer in any worker; what is in the log stays. False for an unknown stream.

        A producer in another worker learns it by its next append or beat. Raises LogUnavailable.
        """
        page = await self._worker.log.read(id, 0, 0)
        if page is None or owner != owner_of(page):
            return False
        closed = await self._worker.log.cancel(id, self._worker.frame_of(form_of(page), "cancelled"))
        if closed and id in self._worker.live:
            self._worker.live[id].writer.take("cancelled")
        return True

    async def delete(self, id: str, owner: str) -> bool:
        """Cancel a stream and remove what is in its log. False for an unknown stream. Raises LogUnavailable."""
        if not await self.cancel(id, owner):
            return False
        await self._worker.log.delete(id)
        return True

    async def drain(self) -> None:
        """Start no more streams, and return when all that run here have ended."""
        self._draining = True
        while self._producers:
            await asyncio.wait(self._producers)

    def produces(self, id: str) -> bool:
        """Return whether the producer of a stream is in this worker."""
        return self._worker.writes(id)

    def cut(self) -> None:
        """Start no more streams, and end all that run here with an error."""
        self._draining = True
        for task in self._producers:
            task.cancel()

    async def aclose(self) -> None:
        """End all streams that run here with an error, and return when their producers have ended."""
        self.cut()
        await self.drain()
        if self._worker.errands:
            await asyncio.wait(self._worker.errands)
