"""A thousand at once on a half-open circuit, in every backend."""

import sys
import threading
from typing import Any

import anyio
import pytest

from unbroken import (
    AsyncClient,
    Call,
    CircuitOpenError,
    Client,
    Dialect,
    Outcome,
    Reject,
    Request,
    ServerError,
)
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, play, run, sse
from unbroken_circuit_breaker import CircuitBreaker

DOWN, GOOD = Answer(status=503), Answer(latency=5.0, body=sse("a"))
URL = "https://api.example.org/"
TASKS = 1000


def half_open(clock: FakeClock, **values: Any) -> CircuitBreaker:
    breaker = CircuitBreaker(failure_threshold=1, **values)
    play([DOWN], [breaker], clock=clock)
    clock.advance(30.0)
    assert breaker.state == "half_open"
    return breaker


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("probes", [1, 3])
def test_E58_exactly_the_permitted_probes_pass(backend: Any, probes: int) -> None:
    """All start before the first probe has an answer; then the circuit is closed and all pass."""
    clock = FakeClock()
    breaker = half_open(clock, half_open_max_probes=probes, half_open_success_threshold=probes)
    transport = AsyncScriptedTransport(lambda _: GOOD, clock)
    client = AsyncClient([breaker], transport=transport, clock=clock)
    ends: list[str] = []

    async def call() -> None:
        try:
            async with client.stream("POST", URL) as stream:
                ends.extend([event.data async for event in stream])
        except CircuitOpenError as error:
            ends.append("refused" if error.retry_after == 60.0 else str(error.retry_after))

    async def main() -> None:
        for _ in range(2):
            async with anyio.create_task_group() as group:
                for _ in range(TASKS):
                    group.start_soon(call)

    run(main, clock=clock, backend=backend)
    assert ends[:TASKS].count("refused") == TASKS - probes
    assert ends[TASKS:] == ["a"] * TASKS
    assert len(transport.requests) == TASKS + probes
    (circuit,) = breaker.snapshot().values()
    assert (circuit.state, circuit.in_flight, circuit.probes) == ("closed", 0, 0)


@pytest.mark.parametrize("probes", [1, 3])
def test_E58_exactly_the_permitted_probes_pass_in_threads(probes: int) -> None:
    """The probes hold their place until all others have been refused."""
    clock = FakeClock()
    breaker = half_open(clock, half_open_max_probes=probes, half_open_success_threshold=probes)
    refused, passed, everybody_knows = [], [], threading.Event()
    count = threading.Semaphore(0)
    workers = 40

    def script(_: object) -> Answer:
        passed.append(1)
        count.release()
        assert everybody_knows.wait(20)
        return Answer(body=sse("a"))

    client = Client([breaker], transport=ScriptedTransport(script, clock), clock=clock)

    def work() -> None:
        for _ in range(TASKS // workers):
            try:
                with client.stream("POST", URL) as stream:
                    list(stream)
            except CircuitOpenError:
                refused.append(1)
        count.release()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for _ in range(workers):  # those that are through, and those that are probes
        assert count.acquire(timeout=20)
    assert len(passed) == probes
    assert len(refused) == (workers - probes) * (TASKS // workers)
    everybody_knows.set()
    for thread in threads:
        thread.join()
    (circuit,) = breaker.snapshot().values()
    assert (circuit.state, circuit.in_flight) == ("closed", 0)
    assert len(passed) == probes * (TASKS // workers)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_E57_a_cancelled_probe_is_given_back_at_once(backend: Any) -> None:
    """While it connects, and twice in a row; the next task is the probe."""
    clock = FakeClock()
    breaker = half_open(clock, half_open_success_threshold=1)
    client = AsyncClient([breaker], transport=AsyncScriptedTransport(lambda _: GOOD, clock), clock=clock)

    async def call() -> None:
        async with client.stream("POST", URL) as stream:
            async for _ in stream:
                pass

    async def main() -> None:
        for _ in range(2):
            with anyio.move_on_after(1.0) as scope:
                await call()
            assert scope.cancelled_caught
            (circuit,) = breaker.snapshot().values()
            assert (circuit.state, circuit.probes, circuit.in_flight) == ("half_open", 0, 0)
        await call()

    run(main, clock=clock, backend=backend)
    assert breaker.state == "closed"


def test_a_switch_between_any_two_steps_loses_nothing() -> None:
    """Threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        breaker = CircuitBreaker(initial_state="metrics_only", max_keys=4, key=lambda call: call.id[-1])

        def work() -> None:
            for number in range(20):
                play([DOWN if number % 2 else Answer(body=sse("a"))], [breaker])

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    circuits = breaker.snapshot()
    assert len(circuits) <= 4
    assert sum(circuit.in_flight for circuit in circuits.values()) == 0
    assert not breaker._inbox


def test_what_ended_while_a_circuit_was_changed_is_counted_before_the_next_call() -> None:
    """As when the garbage collector ends an abandoned call in the thread that is inside."""
    breaker, clock = CircuitBreaker(failure_threshold=1), FakeClock()
    request = Request.build("POST", "https://api.example.org/")
    first, second = (Call(name, request, Dialect(), clock, 0.0) for name in ("first", "second"))
    assert breaker.before_request(first, request) is None
    failed = Outcome(status="failure", error=ServerError("down"), attempts=1, duration=1.0)
    breaker._inbox.do(breaker.after_request, first, failed)
    refused = breaker.before_request(second, request)
    assert isinstance(refused, Reject)
    assert isinstance(refused.error, CircuitOpenError)
