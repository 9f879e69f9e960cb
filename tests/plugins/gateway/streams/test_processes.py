"""Producers in other processes that are killed, or stopped and woken up again."""

import asyncio
import contextlib
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from unbroken.clock import SystemClock
from unbroken_gateway.streams import Page, StreamLog

from .conftest import Store
from .cuts import OWNER, Client, frame_of, streams

SHORT_LEASE, LONG_LEASE = 1.0, 600.0
ROOT = Path(__file__).parents[4]
HANG_SECONDS = 300
ENDED = frame_of("messages", "interrupted")


@pytest.fixture(params=["sqlite", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """The stores that several processes share, in real time."""
    server = request.getfixturevalue("redis_server") if request.param == "redis" else None
    store = Store(request.param, tmp_path, server)
    store.clock = SystemClock()  # type: ignore[assignment]
    return store


@contextlib.asynccontextmanager
async def worker(store: Store, lease: float = SHORT_LEASE) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    command = [sys.executable, "-m", "tests.plugins.gateway.streams.worker_process", store.url, str(lease)]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=-1)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(HANG_SECONDS):
            id = (await process.stdout.readline()).decode().strip()
            assert len(id) == 24
            yield process, id
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()  # so that its pipe is closed


def stop(process: asyncio.subprocess.Process, store: Store) -> None:
    """Stop the process, but not inside a transaction of SQLite, which would stop all writers."""
    while True:
        process.send_signal(signal.SIGSTOP)
        if store.kind == "redis":
            return None
        try:
            path = store.place / "gateway-streams.db"
            with contextlib.closing(sqlite3.connect(path, timeout=0.1, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                return other.rollback()
        except sqlite3.OperationalError:
            process.send_signal(signal.SIGCONT)


async def read_until(log: StreamLog, id: str, halt: Callable[[], object]) -> bytes:
    """Read a stream from its start, halt its producer after 5 events, and return all that came until the end."""
    data = b""

    async def send(part: bytes, more: bool) -> None:
        nonlocal data
        before = data.count(b"\n\n")
        data += part
        if before < 5 <= data.count(b"\n\n"):
            with contextlib.suppress(ProcessLookupError):  # it was so slow that it was buried and has ended
                halt()

    reader = streams(log, lease=SHORT_LEASE)
    await reader.serve(id, OWNER, 0, send, keepalive=15)
    await reader.aclose()
    return data


def check(data: bytes, id: str) -> int:
    """See that the events are whole, contiguous from 1 and end with the error; return the number of the last."""
    *events, rest = data.split(b"\n\n")
    assert rest == b""
    numbers = [int(event.partition(b"\n")[0].removeprefix(b"id: %b." % id.encode())) for event in events]
    assert numbers == list(range(1, len(events) + 1))
    bodies = [event.partition(b"\n")[2] for event in events]
    assert bodies[:-1] == [b"data: %d" % number for number in numbers[:-1]]
    assert bodies[-1] + b"\n\n" == ENDED
    return len(events)


async def whole(log: StreamLog, id: str) -> Page:
    page = await log.read(id, 0, 100_000)
    assert page is not None
    return page


def test_a_killed_producer_leaves_a_terminal_error(shared: Store) -> None:
    async def test() -> None:
        log = shared.open()
        async with worker(shared) as (process, id):
            data = await read_until(log, id, process.kill)
            last = check(data, id)
            page = await whole(log, id)
            assert (page.last, page.state) == (last, "error")

    shared.run(test)


def test_a_stopped_producer_that_wakes_up_appends_nothing(shared: Store) -> None:
    async def test() -> None:
        log = shared.open()
        async with worker(shared) as (process, id):
            data = await read_until(log, id, lambda: stop(process, shared))
            last = check(data, id)
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            assert process.stdout is not None
            assert (await process.stdout.readline()).strip() == b"interrupted"
            assert await process.wait() == 0
            page = await whole(log, id)
            assert (page.last, page.state, page.frames[-1]) == (last, "error", ENDED)

    shared.run(test)


def test_a_client_goes_on_reading_in_another_process(shared: Store) -> None:
    """What the reading worker does to its client does not concern the producer."""

    async def test() -> None:
        async with worker(shared, LONG_LEASE) as (process, id):
            client = Client()
            for _ in range(3):
                log = shared.open()
                reader = streams(log, lease=LONG_LEASE)
                with contextlib.suppress(OSError):
                    place = int(client.cursor.partition(".")[2]) if client.cursor else 0
                    await reader.serve(id, OWNER, place, client.connect(200), keepalive=15)
                await reader.aclose()
            assert client.got == [b"%d" % number for number in range(1, len(client.got) + 1)]
            assert len(client.got) >= 9
            assert process.returncode is None

    shared.run(test)
