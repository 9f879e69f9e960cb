"""What each store does when it is slow, busy, frozen, gone or closed."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unbroken.testing import FakeClock, run
from unbroken_gateway import files
from unbroken_gateway.config.settings import Resume
from unbroken_gateway.streams import DEADLINE, LogUnavailable, StreamLog, redis_follower, sqlite_rows
from unbroken_gateway.streams import sqlite as sqlite_module
from unbroken_gateway.streams.cursors import new_id
from unbroken_gateway.streams.memory import MemoryLog
from unbroken_gateway.streams.opening import open_log
from unbroken_gateway.streams.redis import RedisLog
from unbroken_gateway.streams.rules import surplus
from unbroken_gateway.streams.sqlite import SQLiteLog

from ....redis_server import RedisServer, running_redis
from .conftest import KEY, PATIENT

SHORT = 0.05
"""A deadline that is missed on purpose."""
HANG_SECONDS = 300


def operations(log: StreamLog, id: str) -> list[Callable[[], Awaitable[Any]]]:
    return [
        lambda: log.create(new_id(), "alice", 60, 5),
        lambda: log.append(id, 1, 1, [b"x"]),
        lambda: log.beat(id, 1),
        lambda: log.read(id, 0),
        lambda: log.wait(id, 0, 600),
        lambda: log.bury(id, b"x"),
        lambda: log.cancel(id, b"x"),
        lambda: log.attend(id, "r", 5),
        lambda: log.advance(id, "t", 5),
        lambda: log.delete(id),
    ]


def in_time(test: Callable[[], Awaitable[Any]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(HANG_SECONDS):
            await test()

    asyncio.run(whole())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server that the test may freeze and stop."""
    with running_redis() as server:
        yield server


def test_an_operation_takes_a_tenth_of_a_second_at_most() -> None:
    assert DEADLINE == 0.1


def test_r23_every_operation_on_a_frozen_redis_ends(own_redis: RedisServer) -> None:
    async def test() -> None:
        log, id = RedisLog(own_redis.url, 1000, SHORT), new_id()
        patient = RedisLog(own_redis.url, 1000, PATIENT)
        await patient.create(id, "alice", 600, 60)
        await patient.append(id, 1, 1, [b"x"])
        for _ in range(3):
            own_redis.freeze()
            for operation in operations(log, id)[1:-4] + operations(log, id)[-3:-1]:  # those that change nothing here
                with pytest.raises(LogUnavailable) as raised:
                    await operation()
                assert raised.value.__suppress_context__
            own_redis.thaw()
            others = [new_id() for _ in range(40)]
            for other in others:  # no answer goes to another command
                await patient.create(other, f"owner-{other}", 600, 60)
            for other, page in zip(others, await asyncio.gather(*(patient.read(o, 0) for o in others)), strict=True):
                assert page is not None
                assert page.owner == f"owner-{other}"
            found = await patient.read(id, 0)
            assert found is not None
            assert found.frames == (b"x",)
        log._deadline = PATIENT
        await log.aclose()
        await patient.aclose()

    in_time(test)


def test_r23_a_redis_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    async def test() -> None:
        for url in (f"unix://{tmp_path}/nothing", "redis://127.0.0.1:1"):
            log = RedisLog(url, 1000, PATIENT)
            for operation in operations(log, new_id()):
                with pytest.raises(LogUnavailable):
                    await operation()
            await log.aclose()

    in_time(test)


def test_the_reader_of_redis_survives_a_lost_and_a_frozen_server(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_follower, "BLOCK", 0.05)
    monkeypatch.setattr(redis_follower, "RETRY", 0.01)

    async def test() -> None:
        here, there, id = RedisLog(own_redis.url, 1000, PATIENT), RedisLog(own_redis.url, 1000, PATIENT), new_id()
        await here.create(id, "alice", 600, 60)
        waiting = asyncio.create_task(there.wait(id, 0, 600))
        follower: Any = there._follower
        pool = follower._redis.connection_pool
        for _ in range(3):
            await until(lambda: any(each.is_connected for each in pool._in_use_connections))
            await pool.disconnect()
        own_redis.freeze()
        timeouts: list[None] = []
        forget = follower._forget
        follower._forget = lambda: (timeouts.append(None), forget())
        await until(lambda: len(timeouts) > 1)
        own_redis.thaw()
        assert not waiting.done()
        await here.append(id, 1, 1, [b"x"])
        await waiting
        await here.aclose()
        await there.aclose()

    in_time(test)


def test_r25_one_connection_follows_all_streams_and_forgets_those_left(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_follower, "BLOCK", 0.05)
    monkeypatch.setattr(redis_follower, "LINGER", 0.0)

    async def test() -> None:
        here, there = (RedisLog(own_redis.url, 1000, PATIENT) for _ in range(2))
        ids = [new_id() for _ in range(50)]
        for id in ids:
            await here.create(id, "alice", 600, 60)
        waits = [asyncio.create_task(there.wait(id, 0, 600)) for id in ids]
        follower: Any = there._follower
        await until(lambda: len(follower._places) == len(ids))
        blocked = [each for each in await here._redis.client_list() if each["cmd"] in ("xread", "xread|block")]
        assert len(blocked) <= 1
        for id in ids:
            await here.append(id, 1, 1, [b"x"])
        await asyncio.gather(*waits)
        await until(lambda: not follower._places)
        assert follower._awaited_at == {}
        await here.aclose()
        await there.aclose()

    in_time(test)


def test_a_busy_sqlite_file_is_unavailable_and_then_works(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "streams.db"
        log, id = SQLiteLog(path, 1000, deadline=SHORT), new_id()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogUnavailable):
            await log.create(id, "alice", 600, 60)
        other.execute("ROLLBACK")
        other.close()
        log._thread._deadline = PATIENT
        await log.create(new_id(), "alice", 600, 60)
        await log.aclose()

    in_time(test)


def test_a_failing_transaction_fails_its_operations_and_no_other(tmp_path: Path) -> None:
    async def test() -> None:
        log, id = SQLiteLog(tmp_path / "streams.db", 1000, deadline=PATIENT), new_id()
        await log.create(id, "alice", 600, 60)

        def broken(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE streams SET owner = 'mallory'")
            raise sqlite3.OperationalError("disk I/O error")

        with pytest.raises(LogUnavailable):
            await log._thread.do(broken)
        page = await log.read(id, 0)
        assert page is not None
        assert page.owner == "alice"
        await log.aclose()

    in_time(test)


def test_a_thread_that_is_stuck_is_unavailable_and_what_was_late_is_not_done(tmp_path: Path) -> None:
    async def test() -> None:
        log, id, go = SQLiteLog(tmp_path / "streams.db", 1000, deadline=SHORT), new_id(), threading.Event()
        stuck = asyncio.create_task(log._thread.do(lambda _: go.wait()))
        await asyncio.sleep(0)
        for operation in operations(log, id):
            with pytest.raises(LogUnavailable):
                await operation()
        assert log._watched == {}
        go.set()
        with pytest.raises(LogUnavailable):
            await stuck
        log._thread._deadline = PATIENT
        assert await log.read(id, 0) is None
        await log.aclose()

    in_time(test)


def test_many_operations_share_a_transaction_and_the_last_ones_are_done_before_the_end(tmp_path: Path) -> None:
    async def test() -> None:
        log, ids, go = (
            SQLiteLog(tmp_path / "streams.db", 1000, deadline=PATIENT),
            [new_id() for _ in range(150)],
            threading.Event(),
        )
        begun = threading.Event()
        stuck = asyncio.create_task(log._thread.do(lambda _: (begun.set(), go.wait())))
        await asyncio.to_thread(begun.wait)
        creating = [asyncio.create_task(log.create(id, "alice", 600, 60)) for id in ids]
        await asyncio.sleep(0)
        closing = asyncio.create_task(log.aclose())
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(stuck, *creating, closing)
        with pytest.raises(LogUnavailable, match="closed"):
            await log.read(ids[0], 0)
        await log.aclose()

    in_time(test)


def test_an_answer_for_an_event_loop_that_is_closed_is_dropped(tmp_path: Path) -> None:
    log, id, go = SQLiteLog(tmp_path / "streams.db", 1000, deadline=PATIENT), new_id(), threading.Event()

    async def leaves() -> None:
        await log.create(id, "alice", 600, 60)
        log._watched[id] = 0
        log._loop = asyncio.get_running_loop()
        begun = threading.Event()
        stuck = asyncio.create_task(log._thread.do(lambda _: (begun.set(), go.wait())))
        await asyncio.sleep(0)
        await asyncio.to_thread(begun.wait)
        stuck.cancel()

    asyncio.run(leaves())
    other = SQLiteLog(tmp_path / "streams.db", 1000, deadline=PATIENT)

    async def goes_on() -> None:
        go.set()
        await other.append(id, 1, 1, [b"x"])
        page = await log.read(id, 0)
        assert page is not None
        assert page.frames == (b"x",)
        await log.aclose()
        await other.aclose()

    in_time(goes_on)


def test_processes_that_make_the_tables_together_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Locked(sqlite3.Connection):
        left = 2

        def executescript(self, *arguments: Any) -> Any:
            self.left -= 1
            if self.left >= 0:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().executescript(*arguments)

    with sqlite3.connect(":memory:", factory=Locked) as connection:
        sqlite_rows.prepare(connection)
        connection.left = 2  # type: ignore[attr-defined]
        monkeypatch.setattr(files, "OPENING", -1)
        with pytest.raises(sqlite3.OperationalError):
            sqlite_rows.prepare(connection)
    connection.close()


def test_s33_content_leaves_the_sqlite_files_with_delete_and_ttl(tmp_path: Path) -> None:
    secret = b"canary-5f0c" * 20

    def found() -> bool:
        return any(b"canary-5f0c" in path.read_bytes() for path in tmp_path.iterdir())

    async def test() -> None:
        clock = FakeClock()
        log, ids = SQLiteLog(tmp_path / "streams.db", 100_000, clock, PATIENT), [new_id() for _ in range(2)]
        for id in ids:
            await log.create(id, "alice", 20, 5)
            await log.append(id, 1, 1, [secret] * 50)
        assert found()
        await log.delete(ids[0])
        assert found()
        clock.advance(sqlite_module.PURGE + 1)
        assert await log.read(ids[1], 0) is None
        assert not found()
        again = new_id()
        await log.create(again, "alice", 60, 5)
        await log.append(again, 1, 1, [secret] * 50)
        assert found()
        await log.delete(again)
        assert not found()
        await log.aclose()
        assert (tmp_path / "streams.db").stat().st_mode & 0o077 == 0

    in_time(test)


def test_s33_everything_of_a_stream_in_redis_has_an_end(own_redis: RedisServer) -> None:
    async def test() -> None:
        here, there, id = RedisLog(own_redis.url, 1000, PATIENT), RedisLog(own_redis.url, 1000, PATIENT), new_id()
        await here.create(id, "alice", 60, 5)
        await here.append(id, 1, 1, [b"x"])
        await there.attend(id, "r", 5)
        await there.advance(id, "t", 5)
        for _ in range(2):
            redis: Any = here._redis
            ends = {key.decode(): await redis.pttl(key) for key in await redis.keys("*")}
            assert len(ends) == 5
            assert all(0 < end <= 60_000 for end in ends.values()), ends
            await here.beat(id, 1)
        await here.append(id, 1, 2, [b"x"], "done")
        await here.delete(id)
        assert await redis.keys("*") == []
        await here.aclose()
        await there.aclose()

    in_time(test)


def test_s33_content_leaves_the_memory_with_its_ttl_though_nothing_asks() -> None:
    clock = FakeClock()

    async def test() -> None:
        log = MemoryLog(1000, clock)
        for ttl in (20, 50):
            await log.create(new_id(), "alice", ttl, 5)
        counts = []
        for _ in range(3):
            counts.append(len(log._logs))
            await asyncio.sleep(25)
        assert counts == [2, 1, 0]
        await log.create(new_id(), "alice", 20, 5)
        await log.aclose()
        assert log._logs == {}
        await MemoryLog(1000).aclose()

    run(test, clock=clock)


@pytest.mark.parametrize(
    ("sizes", "excess", "count"),
    [([], 5, 0), ([9], 5, 0), ([3, 3, 3], 0, 0), ([3, 3, 3], 1, 1), ([3, 3, 3], 4, 2), ([3, 3, 3], 99, 2)],
)
def test_the_surplus_leaves_the_newest(sizes: list[int], excess: int, count: int) -> None:
    assert surplus(sizes, excess) == count


@pytest.mark.parametrize("url", ["", "postgres://alice:secret@host", "sqlite", "Memory"])
def test_another_store_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ValueError, match="state must be") as raised:
        open_log(url, Resume())
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("key", ["", "short", KEY[:-2], KEY + "AAAA", "é" * 44])
def test_a_bad_encryption_key_is_refused_before_anything_is_opened(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="encryption key"):
        open_log(f"sqlite:{tmp_path}/gateway.db", Resume(encryption_key=key))
    assert list(tmp_path.iterdir()) == []


def test_redis_and_cryptography_are_imported_only_when_they_are_used() -> None:
    code = "import sys, unbroken_gateway.streams.opening, unbroken_gateway.streams.live; "
    code += "print([each for each in ('redis', 'cryptography') if each in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"
