"""What each store does for itself: memory is bounded, SQLite may be locked, Redis may answer late."""

import asyncio
import sqlite3
import stat
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from unbroken_gateway.state import StateUnavailable, lua
from unbroken_gateway.state import pipe as over_pipe
from unbroken_gateway.state import redis as over_redis
from unbroken_gateway.state import writer as over_writer
from unbroken_gateway.state.ledger import KEEP
from unbroken_gateway.state.memory import MemoryState
from unbroken_gateway.state.pipe import Pipe
from unbroken_gateway.state.redis import RedisState
from unbroken_gateway.state.sqlite import SWEEP, SQLiteState
from unbroken_gateway.state.writer import Writer, connect
from unbroken_gateway.values import Denied, Grant, Principal, Standing

from .worlds import PATIENCE, START, USER, Clock, World, allowance, cost

LIMITS = allowance(requests=1_000, tokens=1_000, streams=10, budget=1_000)
SHORT = 0.05
"""A deadline that must pass: its store does not answer."""


def test_idle_users_and_old_grants_take_no_memory():
    async def scenario():
        clock = Clock()
        state = MemoryState(clock)
        for number in range(5_000):
            grant = await state.reserve(f"user-{number}", allowance(requests=60), cost(), 30)
            await state.release(grant)
            await state.revoke("token", str(number), clock.now + 60)
            clock.now += 1
        assert len(state._accounts) < 200
        assert len(state._records) < 5 * KEEP
        assert len(state._revoked) < 200

    asyncio.run(scenario())


def test_sqlite_removes_rows_that_no_longer_count(tmp_path):
    clock, path = Clock(), tmp_path / "state.db"

    async def scenario():
        state = SQLiteState(path, clock, PATIENCE)
        for number in range(3 * SWEEP):
            await state.reserve(f"user-{number}", allowance(requests=60), cost(), 30)
            await state.revoke("token", str(number), clock.now + 1)
        clock.now += 2 * KEEP
        for _ in range(SWEEP + 1):
            await state.reserve(USER, allowance(requests=600), cost(), 30)
        await state.aclose()

    asyncio.run(scenario())
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT id FROM state_accounts").fetchall() == [(USER,)]
    assert connection.execute("SELECT count(*) FROM state_grants").fetchone() == (SWEEP + 1,)
    assert connection.execute("SELECT count(*) FROM state_revocations").fetchone() == (0,)
    connection.close()


def test_r23_a_locked_sqlite_file_is_unavailable_and_nothing_is_reserved_later(tmp_path):
    """It can still be read."""
    clock, path = Clock(), tmp_path / "state.db"

    async def scenario():
        patient, hasty = SQLiteState(path, clock, PATIENCE), SQLiteState(path, clock, SHORT)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            with pytest.raises(StateUnavailable):
                await hasty.reserve(USER, LIMITS, cost(5, 5), 30)
        assert await patient.standing(USER, LIMITS) == Standing(user=USER)
        other.execute("ROLLBACK")
        other.close()
        await hasty.aclose()
        assert await patient.standing(USER, LIMITS) == Standing(user=USER)
        await patient.aclose()

    asyncio.run(scenario())


def test_a_file_that_is_being_created_by_another_process_is_waited_for(tmp_path):
    path = tmp_path / "state.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    opened = []
    thread = threading.Thread(target=lambda: opened.append(connect(path, "CREATE TABLE IF NOT EXISTS t (x);")))
    thread.start()
    thread.join(0.05)
    assert not opened
    other.execute("COMMIT")
    thread.join()
    opened[0].close()
    other.close()


def writer(path, deadline=PATIENCE):
    return Writer(connect(path, "CREATE TABLE IF NOT EXISTS t (x);", deadline), deadline)


def test_a_bug_in_an_operation_reaches_its_caller_and_the_thread_lives_on(tmp_path):
    async def scenario():
        work = writer(tmp_path / "t.db")
        with pytest.raises(ZeroDivisionError):
            await work.run(lambda connection: 1 // 0)
        with pytest.raises(StateUnavailable, match="no such table"):
            await work.run(lambda connection: connection.execute("SELECT * FROM nowhere"))
        with pytest.raises(StateUnavailable):
            await work.run(lambda connection: connection.execute("ROLLBACK").rowcount)
        assert await work.run(lambda connection: 5) == 5
        await work.aclose()
        await work.aclose()
        with pytest.raises(StateUnavailable, match="closed"):
            await work.run(lambda connection: 5)

    asyncio.run(scenario())


def test_what_was_committed_while_its_caller_left_is_undone_even_if_that_fails(tmp_path):
    async def scenario():
        work, begun, go = writer(tmp_path / "t.db"), threading.Event(), threading.Event()
        undone = []

        def slow(connection):
            begun.set()
            go.wait()
            return 7

        def undo(connection, result):
            undone.append(result)
            raise ZeroDivisionError

        task = asyncio.ensure_future(work.run(slow, undo=undo))
        await asyncio.to_thread(begun.wait)
        waiting = asyncio.ensure_future(work.run(lambda connection: 1 // 0))
        await asyncio.sleep(0)
        for each in (task, waiting):
            each.cancel()
        go.set()
        await asyncio.wait([task, waiting])
        await work.aclose()
        assert undone == [7]

    asyncio.run(scenario())


def test_an_operation_that_is_given_up_while_the_lock_is_waited_for_is_left_out(tmp_path):
    async def scenario():
        work, done = writer(tmp_path / "t.db"), []
        other = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.ensure_future(work.run(done.append))
        while not work._jobs.empty() or not done:
            await asyncio.sleep(0)
            if work._jobs.empty():
                break
        task.cancel()
        await asyncio.wait([task])
        other.execute("ROLLBACK")
        other.close()
        await work.aclose()
        assert done == []

    asyncio.run(scenario())


async def inserts(work, count):
    for number in range(count):
        await work.run(lambda connection, n=number: connection.execute("INSERT INTO t VALUES (?)", (n,)).rowcount)


def test_the_log_of_sqlite_is_used_again_when_it_was_copied(tmp_path):
    path = tmp_path / "t.db"
    log = path.with_name("t.db-wal")

    async def scenario():
        work = writer(path)
        await inserts(work, 200)
        size = log.stat().st_size
        over_writer._checkpoint(str(path))
        await inserts(work, 150)
        assert log.stat().st_size == size
        await work.aclose()

    asyncio.run(scenario())


def test_the_log_of_sqlite_is_copied_now_and_then(tmp_path, monkeypatch):
    copied = threading.Event()
    monkeypatch.setattr(over_writer, "CHECKPOINT", 50)
    monkeypatch.setattr(over_writer, "_checkpoint", lambda path: copied.set())

    async def scenario():
        work = writer(tmp_path / "t.db")
        await inserts(work, 60)
        await asyncio.to_thread(copied.wait)
        await work.aclose()

    asyncio.run(scenario())


def test_an_event_loop_that_ends_does_not_end_the_thread(tmp_path):
    work, begun, go = writer(tmp_path / "t.db"), threading.Event(), threading.Event()

    async def leave():
        task = asyncio.ensure_future(work.run(lambda connection: (begun.set(), go.wait())))
        await asyncio.to_thread(begun.wait)
        task.cancel()

    asyncio.run(leave())
    go.set()

    async def scenario():
        assert await work.run(lambda connection: 5) == 5
        await work.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize("limits", [LIMITS, allowance(requests=0)], ids=["granted", "denied"])
def test_a_reservation_that_was_committed_while_its_caller_left_is_undone(tmp_path, limits):
    world = World("sqlite", tmp_path)

    async def scenario(state):
        begun, go = threading.Event(), threading.Event()
        task = asyncio.ensure_future(state._writer.run(lambda connection: (begun.set(), go.wait())))
        await asyncio.to_thread(begun.wait)
        leaving = asyncio.ensure_future(state.reserve(USER, limits, cost(5, 5), 30))
        following = asyncio.ensure_future(
            state._writer.run(lambda connection: loop.call_soon_threadsafe(leaving.cancel))
        )
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        go.set()
        await asyncio.wait([task, leaving, following])
        assert leaving.cancelled()

    async def look(state):
        assert await state.standing(USER, limits) == Standing(user=USER)

    world.run(scenario)
    world.run(look)


@pytest.fixture
def redis_world(redis_url, tmp_path):
    return World("redis", tmp_path, redis_url)


def test_redis_keys_of_a_user_share_one_hash_tag_and_all_of_them_expire(redis_world, redis_server):
    async def scenario(state):
        grant = await state.reserve(USER, LIMITS, cost(5, 5), 30)
        await state.settle(grant, cost(6, 6))
        await state.beat(grant, 30)
        await state.revoke("token", "token-1", START + 60)
        keys = sorted([key.decode() async for key in state._pipe.client.scan_iter()])
        assert keys == sorted(
            [
                *(f"unbroken:{{{USER}}}:{name}" for name in ("account", "leases", f"grant:{grant.id}")),
                *("unbroken:revoked:token:token-1", "unbroken:users"),
            ]
        )
        for key in keys:
            assert await state._pipe.client.pttl(key) > 0 or key == "unbroken:users"

    redis_world.run(scenario)


def test_a_redis_that_lost_its_scripts_gets_them_again(redis_world):
    async def scenario(state):
        await state._pipe.client.script_flush()
        assert isinstance(await state.reserve(USER, LIMITS, cost(), 30), Grant)

    redis_world.run(scenario)


def test_a_reservation_that_is_sent_twice_counts_once(redis_world):
    """As after a connection that broke before the answer."""

    async def scenario(state):
        grant = Grant(id="same", user=USER, allowance=LIMITS, reserved=cost(5, 5))
        for _ in range(3):
            assert await state._reserve(grant, 30) is grant
        assert await state.standing(USER, LIMITS) == Standing(user=USER, streams=1, requests=1, tokens=5, micro_usd=5)

    redis_world.run(scenario)


def test_r23_what_a_frozen_redis_reads_too_late_has_no_effect(redis_world):
    async def scenario(state):
        await state.reserve(USER, LIMITS, cost(5, 5), 30)
        state._ahead -= 2 * PATIENCE  # as if it had been sent that long ago
        with pytest.raises(StateUnavailable):
            await state.reserve(USER, LIMITS, cost(5, 5), 30)
        assert (await state.standing(USER, LIMITS)).tokens == 5

    redis_world.run(scenario)


def test_r23_a_redis_that_is_not_there_is_unavailable(tmp_path):
    async def scenario():
        state = RedisState(f"unix://{tmp_path}/nothing.sock", deadline=PATIENCE)
        for operation in (
            state.reserve(USER, LIMITS, cost(), 30),
            state.standing(USER, LIMITS),
            state.users(),
            state.revoke("user", USER, START),
            state.revoked(Principal(id="a", issuer="b", plan="c")),
        ):
            with pytest.raises(StateUnavailable, match="ConnectionError"):
                await operation
        await state.aclose()

    asyncio.run(scenario())


def test_r23_a_caller_that_leaves_a_redis_that_is_not_there_is_not_awaited(tmp_path):
    async def scenario():
        state = RedisState(f"unix://{tmp_path}/nothing.sock", deadline=PATIENCE)
        task = asyncio.ensure_future(state.reserve(USER, LIMITS, cost(), 30))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await state.aclose()

    asyncio.run(scenario())


def test_a_denial_that_nobody_waits_for_is_nothing_to_undo(redis_world):
    async def scenario(state):
        nothing = allowance(requests=0)
        task = asyncio.ensure_future(state.reserve(USER, nothing, cost(), 30))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(await state.reserve(USER, nothing, cost(), 30), Denied)

    redis_world.run(scenario)


def test_time_is_that_of_the_redis_server(redis_url):
    """Two machines whose clocks differ count the same lease."""

    async def scenario():
        state = RedisState(redis_url, deadline=PATIENCE)
        assert await state.users() == []
        grant = await state.reserve(USER, allowance(streams=1), cost(), 1_000)
        denied = await state.reserve(USER, allowance(streams=1), cost(), 1_000)
        assert denied.limit == "streams"
        assert 0 < denied.retry_after <= 1_000
        assert await state.beat(grant, 1_000) is True
        assert await state.users() == [USER]
        await state.revoke("user", USER, state._now() + 1_000)
        assert await state.revoked(Principal(id="alice", issuer="https://id.example.com", plan="free")) is True
        await state.aclose()

    asyncio.run(scenario())


def test_the_users_that_were_noted_are_few(redis_world, monkeypatch):
    monkeypatch.setattr(over_redis, "MOST", 3)

    async def scenario(state):
        for number in range(5):
            await state.reserve(f"user-{number}", LIMITS, cost(), 30)
        assert list(state._noted) == ["user-2", "user-3", "user-4"]
        assert len(await state.users()) == 5

    redis_world.run(scenario)


def test_a_caller_that_leaves_in_the_turn_in_which_it_is_granted_leaves_nothing(tmp_path, monkeypatch):
    world, leaving = World("sqlite", tmp_path), []
    deliver = Writer._deliver

    def delivered(*arguments):
        deliver(*arguments)
        for task in leaving:
            task.cancel()
        leaving.clear()

    monkeypatch.setattr(Writer, "_deliver", delivered)

    async def scenario(state):
        for operation in (
            state.reserve(USER, LIMITS, cost(5, 5), 30),
            state.reserve(USER, allowance(requests=0), cost(5, 5), 30),
            state._writer.run(lambda connection: 1 // 0),
        ):
            leaving.append(task := asyncio.ensure_future(operation))
            with pytest.raises(asyncio.CancelledError):
                await task

    async def look(state):
        assert await state.standing(USER, LIMITS) == Standing(user=USER)

    world.run(scenario)
    world.run(look)


class Late:
    """A timeout that expires in the turn of the event loop in which the answer arrives."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        raise TimeoutError


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_an_answer_that_arrives_with_the_timeout_is_an_answer(request, tmp_path, monkeypatch, kind):
    world = World(kind, tmp_path, request.getfixturevalue("redis_url") if kind == "redis" else "")

    async def scenario(state):
        timeouts = [Late()]
        seen = SimpleNamespace(**vars(asyncio))
        seen.timeout = lambda seconds: timeouts.pop() if timeouts else asyncio.timeout(seconds)
        monkeypatch.setattr(over_writer if kind == "sqlite" else over_pipe, "asyncio", seen)
        assert isinstance(await state.reserve(USER, LIMITS, cost(), 30), Grant)
        assert not timeouts

    world.run(scenario)


def test_an_error_of_the_server_is_unavailable(redis_world):
    """Such as one that is out of memory."""

    async def scenario(state):
        await state._pipe.client.set("unbroken:users", "not a sorted set")
        with pytest.raises(StateUnavailable, match="ResponseError"):
            await state.users()

    redis_world.run(scenario)


def test_r8_a_thousand_calls_that_end_at_once_leave_no_place(world):
    async def scenario(state):
        limits = allowance(streams=1_000)
        grants = await asyncio.gather(*(state.reserve(USER, limits, cost(), 600) for _ in range(1_000)))
        assert (await state.standing(USER, limits)).streams == 1_000
        await asyncio.gather(*(state.release(grant) for grant in grants))
        assert (await state.standing(USER, limits)).streams == 0

    world.run(scenario)


def test_a_thousand_commands_take_few_round_trips(redis_world, monkeypatch):
    """So that each of them ends in time."""
    exchange, sizes = Pipe._exchange, []

    async def watched(pipe, batch):
        sizes.append(len(batch))
        return await exchange(pipe, batch)

    monkeypatch.setattr(Pipe, "_exchange", watched)

    async def scenario(state):
        await asyncio.gather(*(state._pipe.run(("PING",)) for _ in range(1_000)))
        assert sum(sizes) == 1_000
        assert len(sizes) <= 10

    redis_world.run(scenario)


def test_commands_of_callers_that_gave_up_are_not_sent(redis_world):
    async def scenario(state):
        leaving = [asyncio.ensure_future(state._pipe.run(("SET", f"k{number}", "1"))) for number in range(3)]
        for task in leaving:
            asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.wait(leaving)
        await state._pipe.run(("PING",))
        assert await state._pipe.client.exists("k0", "k1", "k2") == 0

    redis_world.run(scenario)


@pytest.mark.parametrize("broken", [False, True], ids=["answered", "broken"])
def test_callers_that_leave_during_the_round_trip_disturb_nobody(redis_world, monkeypatch, broken):
    exchange, leaving = Pipe._exchange, []

    async def watched(pipe, batch):
        answers = await exchange(pipe, batch)
        for task in leaving:
            task.cancel()
        if broken:
            raise OSError
        return answers

    monkeypatch.setattr(Pipe, "_exchange", watched)

    async def scenario(state):
        leaving.append(asyncio.ensure_future(state._pipe.run(("PING",))))
        stays = asyncio.ensure_future(state._pipe.run(("ECHO", "x")))
        await asyncio.wait([*leaving, stays])
        assert leaving[0].cancelled()
        assert isinstance(stays.exception(), StateUnavailable) if broken else stays.result() == [b"x"]

    redis_world.run(scenario)


def test_r23_a_redis_that_says_nothing_is_given_up(monkeypatch):
    async def silent(pipe, batch):
        await asyncio.Event().wait()

    monkeypatch.setattr(Pipe, "_exchange", silent)

    async def scenario():
        pipe = Pipe(None, SHORT)
        for _ in range(2):
            with pytest.raises(StateUnavailable):
                await pipe.run(("PING",))
        await pipe.aclose()

    asyncio.run(scenario())


def test_r8_what_redis_granted_while_its_caller_left_is_taken_back(redis_world, monkeypatch):
    exchange, leaving = Pipe._exchange, []

    async def watched(pipe, batch):
        answers = await exchange(pipe, batch)
        if any(lua.RESERVE.sha in command for waiting in batch for command in waiting.commands):
            for task in leaving:
                task.cancel()
        return answers

    monkeypatch.setattr(Pipe, "_exchange", watched)

    async def scenario(state):
        await state.release(await state.reserve("another", LIMITS, cost(), 30))  # the server knows the script
        leaving.append(asyncio.ensure_future(state.reserve(USER, LIMITS, cost(5, 5), 30)))
        with pytest.raises(asyncio.CancelledError):
            await leaving[0]

    async def look(state):
        assert await state.users() == ["another", USER], "it was granted"
        assert await state.standing(USER, LIMITS) == Standing(user=USER)

    redis_world.run(scenario)
    redis_world.run(look)


def test_the_file_of_the_state_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    asyncio.run(SQLiteState(str(path)).aclose())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
