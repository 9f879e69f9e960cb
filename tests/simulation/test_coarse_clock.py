"""A clock that moves in steps of a 64th of a second, as the monotonic clock of Windows does before Python 3.13."""

import math

import pytest

from unbroken import AsyncClient
from unbroken.errors import Error, TimeoutError
from unbroken.testing import STALL, Answer, AsyncScriptedTransport, FakeClock, play, run, sse
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_metrics import Metrics
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_timeout import Timeout

STEP = 1 / 64


class Coarse(FakeClock):
    """Time passes evenly, but is read in steps."""

    def monotonic(self) -> float:
        return math.floor(super().monotonic() / STEP) * STEP


@pytest.mark.parametrize("latency", [0.0, 0.001, 0.02])
def test_calls_end_whatever_the_step(latency):
    """Waits, timeouts and recoveries that end between two steps, with durations of nothing at all."""
    clock, metrics = Coarse(), Metrics()
    limiter = RateLimit(requests=100, per=1, burst=1)
    breaker = CircuitBreaker(failure_threshold=2, recovery_timeout=0.05, half_open_success_threshold=1)
    plugins = [metrics, Timeout(first_event=0.05, idle=0.05), Retry(initial_delay=0.003), breaker, limiter]
    good = Answer(latency=latency, body=sse("hello"))
    for _ in range(30):
        played = play([Answer(status=503, latency=latency), good], plugins, clock=clock, json={"model": "m"})
        clock.advance(0.2)
        assert played.data == ["hello"]
    total = metrics.snapshot().total
    assert total.calls["success"] == 30
    assert total.duration.p50 is not None
    assert total.duration.p50 >= 0.0


def test_a_timeout_is_never_early():
    """By the steps that the client reads; late by one step at most."""
    clock = Coarse()
    began = clock.monotonic()
    played = play([Answer(body=[sse("a"), STALL])], [Timeout(idle=0.05)], clock=clock)
    assert isinstance(played.failure, TimeoutError)
    assert clock.monotonic() - began + STEP >= 0.05
    assert clock.monotonic() - began <= 0.05 + 2 * STEP


def test_many_calls_at_once_come_to_an_end():
    """In an event loop whose timers are read from such a clock."""
    clock = Coarse(start=0.0)
    transport = AsyncScriptedTransport(lambda _: Answer(latency=0.005, body=sse("hello")), clock)

    async def main():
        import anyio

        texts: list[str] = []
        limiter = RateLimit(requests=200, per=1, burst=1, max_wait=10)
        async with AsyncClient([Timeout(), Retry(), limiter], transport=transport, clock=clock) as client:

            async def call():
                try:
                    async with client.stream("GET", "https://api.example.org/") as stream:
                        texts.extend([event.data async for event in stream])
                except Error as error:
                    texts.append(str(error))

            async with anyio.create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(call)
        return texts

    assert run(main, clock=clock) == ["hello"] * 50
    assert transport.sent_at[-1] >= 49 / 200 - STEP
