"""The shared states of the gateway among processes, and with a Redis that is killed, frozen and started again."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unbroken_gateway.state import StateUnavailable
from unbroken_gateway.state.local import MARK, Local
from unbroken_gateway.state.pipe import CONNECTIONS
from unbroken_gateway.state.redis import RedisState
from unbroken_gateway.values import Allowance, Grant

from ..redis_server import RedisServer, running_redis
from .gateway_racing import CALL, LIMITS, PATIENCE, USER, open_shared

WORKERS = 3


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server for one test, which may kill it."""
    with running_redis() as server:
        yield server


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The kind of a shared store, and where it is."""
    if request.param == "sqlite":
        return "sqlite", str(tmp_path / "state.db")
    server: RedisServer = request.getfixturevalue("redis")
    return "redis", server.url


def worker(store: tuple[str, str], what: str, turns: int = 0) -> "subprocess.Popen[str]":
    command = [sys.executable, str(Path(__file__).with_name("gateway_racing.py")), *store, what, str(turns)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_r6_r9_processes_that_race_for_a_budget_of_ten_get_ten(store: tuple[str, str]) -> None:
    """The first requests of an unknown user, on a store that the processes create at once."""
    processes = [worker(store, "race", 25) for _ in range(WORKERS)]
    try:
        assert [line(process) for process in processes] == ["ready"] * WORKERS
        for process in processes:
            go(process)
        assert sum(int(line(process)) for process in processes) == 10
        assert [process.wait() for process in processes] == [0] * WORKERS
    finally:
        end(*processes)


def test_r8_a_worker_that_is_killed_loses_its_place_and_keeps_its_money_counted(store: tuple[str, str]) -> None:
    process = worker(store, "hold")

    async def scenario() -> None:
        limits = Allowance(streams=1, budget=LIMITS.budget)
        state = open_shared(*store)
        while not isinstance(answer := await state.reserve(USER, limits, CALL, 600), Grant):
            assert answer.limit == "streams"
            await asyncio.sleep(answer.retry_after)
        standing = await state.standing(USER, limits)
        assert (standing.streams, standing.micro_usd) == (1, 200)
        await state.aclose()

    try:
        assert line(process) == "ready"
        go(process)
        assert line(process) == "True"
        end(process)
        asyncio.run(scenario())
    finally:
        end(process)


def end(*processes: "subprocess.Popen[str]") -> None:
    for process in processes:
        process.kill()
        process.communicate()


def test_r23_a_frozen_redis_is_unavailable_and_does_nothing_when_it_wakes_up(redis: RedisServer) -> None:
    async def scenario() -> None:
        patient, hasty = RedisState(redis.url, deadline=PATIENCE), RedisState(redis.url)
        await patient.reserve(USER, LIMITS, CALL, 600)
        hasty._ahead, hasty._noted = patient._ahead, patient._noted
        redis.freeze()
        for _ in range(3):
            attempts = (hasty.reserve(USER, LIMITS, CALL, 600) for _ in range(100))
            results = await asyncio.gather(*attempts, return_exceptions=True)
            assert {type(result) for result in results} == {StateUnavailable}
            pool: Any = hasty._pipe.client.connection_pool
            assert len(pool._in_use_connections) + len(pool._available_connections) <= CONNECTIONS
        await asyncio.sleep(3 * hasty.deadline)  # what was sent last is too late by now
        redis.thaw()
        standing = await patient.standing(USER, LIMITS)
        assert (standing.streams, standing.micro_usd) == (1, 100)
        for state in (patient, hasty):
            await state.aclose()

    asyncio.run(scenario())


def test_r23_a_redis_that_is_killed_and_started_again_under_load_serves_again(redis: RedisServer) -> None:
    """Each operation ends with an answer or with StateUnavailable."""

    async def scenario() -> None:
        state, stop, served = RedisState(redis.url), asyncio.Event(), asyncio.Semaphore(0)

        async def load() -> None:
            while not stop.is_set():
                try:
                    grant = await state.reserve(USER, Allowance(), CALL, 600)
                    assert isinstance(grant, Grant)
                    await state.settle(grant, CALL)
                    await state.release(grant)
                    served.release()
                except StateUnavailable:
                    failed.set()
                    await asyncio.sleep(0.01)

        failed = asyncio.Event()
        tasks = [asyncio.ensure_future(load()) for _ in range(8)]
        for _ in range(3):
            for _ in range(20):
                await served.acquire()
            redis.kill()
            failed.clear()
            await failed.wait()
            served = asyncio.Semaphore(0)
            await asyncio.to_thread(redis.start)
        for _ in range(20):
            await served.acquire()
        stop.set()
        await asyncio.gather(*tasks)
        await state.aclose()

    asyncio.run(scenario())


def test_r23_local_goes_on_while_redis_is_frozen_and_goes_back_to_it(redis: RedisServer) -> None:
    async def scenario() -> None:
        failures: list[str] = []
        state = Local(RedisState(redis.url), failures.append, workers=2)
        redis.freeze()
        grant = await state.reserve(USER, LIMITS, CALL, 600)
        assert isinstance(grant, Grant)
        assert grant.id.startswith(MARK)
        assert failures == ["reserve"]
        redis.thaw()
        while grant.id.startswith(MARK):
            await state.release(grant)
            await asyncio.sleep(0.05)
            grant = await state.reserve(USER, Allowance(), CALL, 600)
            assert isinstance(grant, Grant)
        await state.aclose()

    asyncio.run(scenario())
