"""What one worker learns about an upstream is known to the others."""

import asyncio
from typing import Any

import pytest
from attrs import evolve
from tests.plugins.gateway.world import SETTINGS, URL
from tests.redis_server import RedisServer

from unbroken.testing import FakeClock
from unbroken_circuit_breaker import CircuitState
from unbroken_gateway.calls.upstreams import Upstreams
from unbroken_gateway.state import StateUnavailable
from unbroken_gateway.state.pipe import Pipe
from unbroken_gateway.state.sharing import Sharing
from unbroken_metrics import Metrics

KEY = f"{URL}:443"


def worker(redis: RedisServer, clock: FakeClock) -> tuple[Upstreams, Sharing, list[str]]:
    """Return the upstreams of a worker, and what tells the others about them."""
    upstreams = {name: evolve(each, plugins=None) for name, each in SETTINGS.upstreams.items()}
    made = Upstreams(evolve(SETTINGS, upstreams=upstreams), Metrics(), lambda request_id, phase: None, clock)
    failures: list[str] = []
    sharing = Sharing(url=redis.url, known=made.known, learn=made.learn, on_failure=failures.append)
    return made, sharing, failures


def policy(upstreams: Upstreams, name: str) -> Any:
    return next(each for each in upstreams._policies["claude"] if getattr(each, "name", "") == name)


def test_a_circuit_that_opens_in_one_worker_opens_in_the_others(redis_server: RedisServer) -> None:
    async def story() -> None:
        clocks = [FakeClock(), FakeClock()]
        (first, telling, _), (second, hearing, _) = (worker(redis_server, clock) for clock in clocks)
        policy(first, "circuit-breaker").trip(KEY, 20.0)
        policy(first, "rate-limit").pause(KEY, 10.0)
        await telling.exchange()
        await hearing.exchange()
        assert policy(second, "circuit-breaker").state_of(KEY) is CircuitState.OPEN
        assert 19 < second.known()[f"claude circuit {KEY}"] <= 20
        assert 9 < second.known()[f"claude gate {KEY}"] <= 10
        clocks[1].advance(21)
        assert policy(second, "circuit-breaker").state_of(KEY) is CircuitState.HALF_OPEN
        assert second.known() == {}
        for each in (telling, hearing):
            await each._pipe.client.aclose()

    asyncio.run(story())


def test_what_is_over_is_forgotten(redis_server: RedisServer) -> None:
    async def story() -> None:
        clock = FakeClock()
        upstreams, sharing, _ = worker(redis_server, clock)
        policy(upstreams, "circuit-breaker").trip(KEY, 0.001)
        await sharing._pipe.run(("HSET", "unbroken:upstreams", "claude circuit x", "1.0"))
        odd = ("no spaces", "9e99", "claude circuit y", "soon", "claude gate z", "inf", b"\xff", "9e9")
        await sharing._pipe.run(("HSET", "unbroken:upstreams", *odd))
        clock.advance(1)
        await sharing.exchange()
        assert (await sharing._pipe.run(("HEXISTS", "unbroken:upstreams", "claude circuit x")))[0] == 0
        assert policy(upstreams, "circuit-breaker").state_of("x") is CircuitState.CLOSED
        await sharing._pipe.client.aclose()

    asyncio.run(story())


def test_an_upstream_that_this_worker_does_not_have_is_passed_over() -> None:
    upstreams = Upstreams(SETTINGS, Metrics(), lambda request_id, phase: None, FakeClock())
    upstreams.learn("other circuit x", 5.0)
    upstreams.learn("claude gate x", 5.0)  # its list has no rate limit
    assert upstreams.known() == {}


def test_a_redis_that_does_not_answer_is_counted_and_changes_nothing(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        _, sharing, failures = worker(redis_server, FakeClock())
        enough = asyncio.Event()
        sharing.on_failure = lambda part: (failures.append(part), len(failures) < 3 or enough.set())[0]

        async def down(self: Pipe, *commands: Any) -> Any:
            raise StateUnavailable

        monkeypatch.setattr(Pipe, "run", down)
        monkeypatch.setattr("unbroken_gateway.state.sharing.INTERVAL", 0.0)
        running = asyncio.ensure_future(sharing.run())
        await enough.wait()
        running.cancel()
        await asyncio.wait((running,))
        assert set(failures) == {"sharing"}

    asyncio.run(story())
