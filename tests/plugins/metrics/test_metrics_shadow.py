"""What is counted of decisions in shadow, of waits that end early, and of calls that go elsewhere."""

import anyio
import pytest

from unbroken import AsyncClient, Plugin, Request, Signal, TryAgain, Wait
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, play, run, sse
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_metrics import Labels, Metrics
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_timeout import Timeout

OK, DOWN = Answer(body=sse("word")), Answer(status=503)
URL = "https://api.example.org/"


def test_decisions_in_shadow_are_counted_apart():
    """By plugin and class; no wait, retry or rejection of them is in any other number."""
    metrics, clock = Metrics(), FakeClock()
    policies = [
        Timeout(connect=1, shadow=True),
        Retry(shadow=True),
        CircuitBreaker(failure_threshold=1, shadow=True),
        RateLimit(requests=6, burst=1, shadow=True),
    ]
    for answer in (DOWN, Answer(connect=2.0, body=sse("word"))):
        play([answer], [metrics, *policies], clock=clock)
    totals = metrics.snapshot().total
    assert totals.shadows == {
        "retry:TryAgain": 1,
        "circuit-breaker:Reject": 1,
        "rate-limit:Wait": 1,
        "engine:Reject": 1,
    }
    assert (totals.waits, totals.wait_time, totals.retries) == ({}, {}, {})
    assert totals.calls == {"success": 1, "failure": 1, "rejected": 0, "cancelled": 0}
    (circuit,) = metrics.snapshot().circuits
    assert circuit.circuit == "default (shadow)"


class Waits(Plugin):
    """Waits twice for its signal, then no more."""

    name = "waits"

    def __init__(self, *seconds):
        super().__init__()
        self.seconds, self.signal = list(seconds), Signal()

    def before_request(self, call, request):
        self.signal = Signal()
        return Wait(self.seconds.pop(0), until=self.signal) if self.seconds else None


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_wait_that_a_signal_ends_counts_as_long_as_it_was(backend):
    """And one that goes on after it is the same wait."""
    metrics, waits, clock = Metrics(), Waits(100.0, 3.0), FakeClock()
    transport = AsyncScriptedTransport(lambda _: Answer(latency=7.0, body=sse("word")), clock)
    client = AsyncClient([metrics, waits], transport=transport, clock=clock)

    async def call():
        async with client.stream("POST", URL) as stream:
            async for _ in stream:
                pass

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await anyio.sleep(4.0)
            waits.signal.set()

    run(main, clock=clock, backend=backend)
    totals = metrics.snapshot().total
    assert (totals.waits, totals.wait_time) == ({"waits": 1}, {"waits": 7.0})


def test_waits_of_several_plugins_are_told_apart():
    """Each for itself, and again in each attempt."""

    class Other(Plugin):
        name = "other"

        def before_request(self, call, request):
            return Wait(1.0)

    metrics = Metrics()
    play([DOWN, OK], [metrics, Retry(jitter=0), Waits(2.0, 3.0), Other()])
    totals = metrics.snapshot().total
    assert totals.waits == {"waits": 1, "other": 2}
    assert totals.wait_time == {"waits": 5.0, "other": 2.0}


def test_an_attempt_is_counted_where_it_goes():
    """After a fallback: the failure with one host and model, the success with the other."""

    class Elsewhere(Plugin):
        name = "elsewhere"

        def should_retry(self, call, error):
            return TryAgain(request=Request.build("POST", "https://other.example.org/", json={"model": "b"}))

    metrics = Metrics()
    play([DOWN, OK], [metrics, Elsewhere()], json={"model": "a"})
    found = {each.labels: each.totals for each in metrics.snapshot().series}
    one, other = Labels("sse", "a", "https://api.example.org:443"), Labels("sse", "b", "https://other.example.org:443")
    assert found[one].attempts["failure"] == 1
    assert (found[one].calls["success"], found[other].calls["success"]) == (0, 1)
    assert found[other].attempts["success"] == 1
