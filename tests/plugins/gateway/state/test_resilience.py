"""R23: a shared state that is down leads to the declared mode and a count, never to silent limits per worker."""

import asyncio
from typing import Any

import pytest
from attrs import evolve

from unbroken.errors import ConfigurationError
from unbroken_gateway.state import StateUnavailable, local
from unbroken_gateway.state.local import PROBE, Local, share
from unbroken_gateway.state.memory import MemoryState
from unbroken_gateway.state.opening import open_state
from unbroken_gateway.state.redis import RedisState
from unbroken_gateway.state.resilient import Closed
from unbroken_gateway.state.sqlite import SQLiteState
from unbroken_gateway.values import Allowance, Balance, Denied, Grant, Principal, Rate, Standing

from .worlds import START, USER, Clock, allowance, cost

LIMITS = allowance(requests=20, tokens=1_000, streams=4, budget=1_000)
ALICE = Principal(id="alice", issuer="https://id.example.com", plan="free", credential_id="token-1")
TTL = 30.0


class Shared(MemoryState):
    """A shared state that can be down, and that notes what it is asked."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.down = False
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name not in OPERATIONS:
            return found

        async def operation(*arguments: Any) -> Any:
            self.asked.append(name)
            if self.gate is not None:
                await self.gate.wait()
            if self.down:
                raise StateUnavailable("down")
            return await found(*arguments)

        return operation


OPERATIONS = {"reserve", "beat", "settle", "release", "standing", "users", "revoke", "revoked"}


class Worker:
    """A worker with a shared state and a count of failures, in virtual time."""

    def __init__(self, mode: str = "local", workers: int = 2) -> None:
        self.clock, self.failures = Clock(), []
        self.shared = Shared(self.clock)
        if mode == "closed":
            self.state = Closed(self.shared, self.failures.append)
        else:
            self.state = Local(
                self.shared,
                self.failures.append,
                workers=workers,
                memory=MemoryState(self.clock),
                clock=self.clock,
            )

    async def recover(self) -> None:
        """Let a probe succeed, and wait until what was missed is told."""
        self.shared.down = False
        self.clock.now += PROBE
        await self.state.users()
        await self.caught_up()

    async def caught_up(self) -> None:
        if self.state._catching_up is not None:
            await asyncio.wait([self.state._catching_up])


async def everything(state, grant):
    """Each operation once."""
    return [
        await asyncio.gather(operation, return_exceptions=True)
        for operation in (
            state.reserve(USER, LIMITS, cost(), TTL),
            state.beat(grant, TTL),
            state.settle(grant, cost(5, 5)),
            state.standing(USER, LIMITS),
            state.users(),
            state.revoke("token", "other", START + 60),
            state.revoked(ALICE),
            state.release(grant),
        )
    ]


@pytest.mark.parametrize("mode", ["closed", "local"])
def test_a_state_that_is_up_does_everything_itself(mode):
    async def scenario():
        worker = Worker(mode)
        grant = await worker.state.reserve(USER, LIMITS, cost(10, 10), TTL)
        results = [result for (result,) in await everything(worker.state, grant)]
        shown = Standing(user=USER, streams=2, requests=2, tokens=5, micro_usd=5)
        assert results[1:] == [True, Balance(995), shown, [USER], None, False, None]
        assert set(worker.shared.asked) == OPERATIONS
        assert worker.failures == []
        await worker.state.aclose()

    asyncio.run(scenario())


def test_r23_closed_counts_and_raises():
    async def scenario():
        worker = Worker("closed")
        grant = await worker.state.reserve(USER, LIMITS, cost(), TTL)
        worker.shared.down = True
        for (result,) in await everything(worker.state, grant):
            assert isinstance(result, StateUnavailable)
        assert set(worker.failures) == OPERATIONS

    asyncio.run(scenario())


def test_r23_local_goes_on_with_a_part_of_the_limits_and_counts():
    async def scenario():
        worker = Worker("local", workers=2)
        worker.shared.down = True
        results = [await worker.state.reserve(USER, LIMITS, cost(100, 100), TTL) for _ in range(3)]
        assert [type(result) for result in results] == [Grant, Grant, Denied]
        assert results[2].limit == "streams"
        assert await worker.state.beat(results[0], TTL) is True
        assert await worker.state.settle(results[0], cost(200, 450)) == Balance(-50)
        shown = Standing(user=USER, streams=2, requests=2, tokens=300, micro_usd=550)
        assert await worker.state.standing(USER, LIMITS) == shown
        assert await worker.state.users() == [USER]
        await worker.state.release(results[0])
        assert (await worker.state.standing(USER, LIMITS)).streams == 1
        assert worker.failures == ["reserve"] * 3 + ["standing", "users", "standing"]

    asyncio.run(scenario())


def test_r23_a_shared_state_that_is_down_is_asked_once_a_second():
    async def scenario():
        worker = Worker()
        worker.shared.down = True
        for _ in range(100):
            await worker.state.reserve(USER, allowance(requests=10**6), cost(), TTL)
            worker.clock.now += 0.05
        assert len(worker.shared.asked) in (5, 6)

    asyncio.run(scenario())


def test_r23_it_is_asked_once_even_by_many_at_once():
    async def scenario():
        worker = Worker()
        worker.shared.down = True
        await worker.state.users()
        worker.clock.now += PROBE
        await asyncio.gather(*(worker.state.users() for _ in range(50)))
        assert len(worker.shared.asked) == 2

    asyncio.run(scenario())


def test_r23_a_call_under_way_goes_on_and_what_it_used_is_told_later():
    async def scenario():
        worker = Worker()
        grant = await worker.state.reserve(USER, LIMITS, cost(100, 100), TTL)
        other = await worker.state.reserve(USER, LIMITS, cost(100, 100), TTL)
        worker.shared.down = True
        assert await worker.state.beat(grant, TTL) is True
        assert await worker.state.settle(grant, cost(50, 50)) == Balance(None)
        assert await worker.state.settle(grant, cost(70, 70)) == Balance(None)
        await worker.state.release(grant)
        await worker.state.release(other)
        await worker.recover()
        shown = Standing(user=USER, streams=0, requests=2, tokens=154, micro_usd=170)
        assert await worker.state.standing(USER, LIMITS) == shown
        assert await worker.state.reserve(USER, allowance(streams=4), cost(), TTL)
        assert worker.failures == ["beat", "settle", "settle", "release", "release"]

    asyncio.run(scenario())


def test_r23_a_settlement_that_is_the_probe_is_newer_than_what_was_missed():
    async def scenario():
        worker = Worker()
        grant = await worker.state.reserve(USER, LIMITS, cost(100, 100), TTL)
        worker.shared.down = True
        await worker.state.settle(grant, cost(50, 50))
        worker.shared.down, worker.clock.now = False, worker.clock.now + PROBE
        assert await worker.state.settle(grant, cost(60, 60)) == Balance(940)
        await worker.caught_up()
        assert (await worker.state.standing(USER, LIMITS)).micro_usd == 60

    asyncio.run(scenario())


def test_r23_what_is_settled_while_it_catches_up_is_told_after_what_was_before():
    async def scenario():
        worker = Worker()
        grant = await worker.state.reserve(USER, LIMITS, cost(100, 100), TTL)
        worker.shared.down = True
        await worker.state.settle(grant, cost(50, 50))
        worker.shared.down, worker.clock.now = False, worker.clock.now + PROBE
        await worker.state.users()
        worker.shared.gate = asyncio.Event()
        await asyncio.sleep(0)
        assert await worker.state.settle(grant, cost(60, 60)) == Balance(None)
        worker.shared.gate.set()
        await worker.state.aclose()
        assert (await worker.state.standing(USER, LIMITS)).micro_usd == 60

    asyncio.run(scenario())


def test_r23_nothing_is_lost_when_it_fails_again_while_it_catches_up():
    async def scenario():
        worker = Worker()
        grants = [await worker.state.reserve(USER, LIMITS, cost(0, 100), TTL) for _ in range(2)]
        worker.shared.down = True
        await worker.state.settle(grants[0], cost(0, 10))
        await worker.state.release(grants[1])
        worker.shared.down, worker.clock.now = False, worker.clock.now + PROBE
        await worker.state.users()
        worker.shared.gate, worker.shared.down = asyncio.Event(), True
        await asyncio.sleep(0)
        await worker.state.release(grants[0])
        worker.shared.gate.set()
        await worker.caught_up()
        asked = len(worker.shared.asked)
        await worker.state.users()
        assert len(worker.shared.asked) == asked, "it is down again"
        await worker.recover()
        shown = Standing(user=USER, streams=0, requests=2, micro_usd=110)
        assert await worker.state.standing(USER, LIMITS) == shown

    asyncio.run(scenario())


def test_a_local_grant_ends_locally_when_the_shared_state_is_back():
    async def scenario():
        worker = Worker()
        worker.shared.down = True
        grant = await worker.state.reserve(USER, LIMITS, cost(), TTL)
        await worker.recover()
        assert await worker.state.beat(grant, TTL) is True
        assert await worker.state.settle(grant, cost(0, 100)) == Balance(400)
        await worker.state.release(grant)
        assert (await worker.state.memory.standing(USER, share(LIMITS, 2))).streams == 0
        assert await worker.state.standing(USER, LIMITS) == Standing(user=USER)

    asyncio.run(scenario())


def test_what_this_worker_knows_to_be_revoked_stays_revoked():
    async def scenario():
        worker = Worker()
        other = evolve(ALICE, credential_id="token-2")
        await worker.shared.revoke("token", "token-1", START + 60)
        assert await worker.state.revoked(ALICE) is True
        worker.shared.down = True
        assert await worker.state.revoked(ALICE) is True
        assert await worker.state.revoked(other) is False
        with pytest.raises(StateUnavailable):
            await worker.state.revoke("token", "token-2", START + 60)
        assert await worker.state.revoked(other) is True
        await worker.recover()
        assert await worker.state.revoked(other) is False, "as the administrator was told"
        await worker.shared.revoke("token", "token-1", START - 1)
        assert await worker.state.revoked(ALICE) is False
        worker.shared.down = True
        assert await worker.state.revoked(ALICE) is False

    asyncio.run(scenario())


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(local, "MOST", 3)

    async def scenario():
        worker = Worker()
        grants = [await worker.state.reserve(USER, Allowance(), cost(), TTL) for _ in range(5)]
        worker.shared.down = True
        for grant in grants:
            await worker.state.release(grant)
        assert list(worker.state._missed) == [grant.id for grant in grants[2:]]

    asyncio.run(scenario())


def test_a_part_is_rounded_down_but_for_money_it_is_at_least_one():
    whole = Allowance(requests=Rate(7, 60), tokens=Rate(1, 60), streams=2, budget=Rate(3, 60))
    part = Allowance(requests=Rate(1, 60), tokens=Rate(1, 60), streams=1, budget=Rate(0, 60))
    assert share(whole, 4) == part
    assert share(allowance(streams=0), 4) == allowance(streams=0)
    assert share(Allowance(), 4) == Allowance()


def test_a_state_is_opened_by_its_url(tmp_path):
    async def scenario():
        memory = open_state("memory")
        sqlite = open_state(f"sqlite:{tmp_path}/state.db", workers=3, on_state_failure="local")
        redis = open_state("redis://:secret@127.0.0.1:1/0")
        assert isinstance(memory, MemoryState)
        assert isinstance(sqlite, Local)
        assert (type(sqlite.shared), sqlite.workers) == (SQLiteState, 3)
        assert isinstance(redis, Closed)
        assert isinstance(redis.shared, RedisState)
        assert "secret" not in repr(redis)
        with pytest.raises(StateUnavailable) as failure:  # nothing listens at port 1
            await redis.users()
        assert "secret" not in repr(failure.value)
        for state in (memory, sqlite, redis):
            await state.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:", "path of a file"),
        ("sqlite::memory:", "path of a file"),
        ("sqlite:/nowhere/at/all.db", "/nowhere/at/all.db"),
        ("postgres://u:secret@h/db", "'postgres'"),
        ("", "none of"),
        ("redis://:secret@host:port/0", "Redis URL"),
    ],
    ids=["no-path", "private", "no-directory", "unknown", "empty", "bad-port"],
)
def test_a_state_that_cannot_be_is_named_without_its_password(url, message):
    with pytest.raises(ConfigurationError, match=message) as failure:
        open_state(url)
    assert "secret" not in str(failure.value)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "text").write_text("not a database, but long enough to look at " * 100)
    with pytest.raises(ConfigurationError, match="text"):
        open_state(f"sqlite:{tmp_path}/text")


def test_memory_is_of_one_worker():
    with pytest.raises(ConfigurationError, match="not of 2"):
        open_state("memory", workers=2)


def test_redis_without_its_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "unbroken_gateway.state.redis", None)
    with pytest.raises(ConfigurationError, match="gateway"):
        open_state("redis://localhost")
