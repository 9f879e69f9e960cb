"""Runs the producer of a stream as a task of the stream, not of the request that started it."""

import asyncio
from collections.abc import Awaitable, Callable

from . import Fenced, LogUnavailable
from .worker import Live, Worker
from .writing import Writer

Produce = Callable[[Writer], Awaitable[None]]
"""Writes a whole stream. It is cancelled when the stream is taken away; `Writer.reason` says why."""
OnFailure = Callable[[str, Exception], None]
"""Told of the stream and of what its producer raised."""


async def run_producer(worker: Worker, live: Live, produce: Produce, on_failure: OnFailure) -> None:
    """Run `produce` with a beat beside it, and see that the log has an end however it ends."""
    writer = live.writer
    beating = asyncio.ensure_future(_beat(worker, live))
    try:
        await _run(writer, produce, on_failure)
        await writer.finish(worker.frame_of(live.form, "interrupted"))
    finally:
        beating.cancel()
        del worker.live[writer.id]


async def _run(writer: Writer, produce: Produce, on_failure: OnFailure) -> None:
    try:
        await produce(writer)
    except (Fenced, LogUnavailable):
        return
    except asyncio.CancelledError:
        return  # the task was cancelled for this: it has nothing to do but to close the log
    except Exception as failure:  # noqa: BLE001 (whatever it is, the stream ends and the caller is told)
        on_failure(writer.id, failure)


async def _beat(worker: Worker, live: Live) -> None:
    """Renew the lease, and take the stream from its producer when the lease is lost or nobody reads."""
    writer, settings = live.writer, worker.settings
    while True:
        await worker.clock.asleep(min(settings.lease / 3, settings.grace / 4))
        try:
            await writer.beat()
            if await _is_abandoned(worker, live):
                return writer.take("cancelled")
        except Fenced:
            return writer.take("interrupted")
        except LogUnavailable:
            return writer.take("unavailable")


async def _is_abandoned(worker: Worker, live: Live) -> bool:
    """Close a stream that has had no reader in any worker for the grace period. Returns whether it did."""
    now, grace, log, id = worker.clock.monotonic(), worker.settings.grace, worker.log, live.writer.id
    if live.readers:
        live.unread_since = now
    if live.readers or now < live.look_at or live.writer.ended:
        return False
    live.look_at = now + grace / 4
    try:
        page = await log.read(id, 0, 0)
        if page is not None and page.readers:
            live.unread_since = now
        if now - live.unread_since < grace:
            return False
        return await log.cancel(id, worker.frame_of(live.form, "cancelled"))
    except LogUnavailable:
        return False
