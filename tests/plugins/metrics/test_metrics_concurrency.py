"""Many threads, calls that are cancelled or dropped anywhere, subscribers that misbehave: the numbers are right."""

import gc
import threading
import tracemalloc
from functools import partial

import anyio
import pytest

from unbroken import AsyncClient, Client, Outcome, Request, ServerError, Usage
from unbroken.call import Call
from unbroken.dialect import Dialect
from unbroken.errors import Attempt
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, cancel_sweep, play, sse
from unbroken_metrics import Metrics
from unbroken_metrics._book import _ENOUGH
from unbroken_retry import Retry

GOOD = Answer(body=sse("one", "two"))
REQUEST = Request.build("POST", "https://api.example.org/", json={"model": "m"})
SUCCESS = Outcome(status="success", attempts=1, duration=1.0)
DIALECT, CLOCK = Dialect(), FakeClock()


def one_call(metrics, outcome=SUCCESS):
    """All hooks of one call, without the engine."""
    call = Call("id", REQUEST, DIALECT, CLOCK, 0.0)
    call.attempt = 1
    metrics.before_request(call, REQUEST)
    call.committed_at, call.events, call.bytes = 0.5, 3, 100
    call.usage = Usage(input_tokens=1, output_tokens=2, final=True)
    metrics.after_request(call, outcome)
    if outcome.status != "success":
        call.history = (Attempt(number=1, error="ServerError"),)
    metrics.on_finish(call, outcome)


def total(metrics):
    return metrics.snapshot().total


@pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])
def test_wherever_a_call_is_cancelled_nothing_stays_in_flight(backend, by):
    """At each of its awaits: it has ended once, and no gauge is above or below nothing."""
    metrics = Metrics()
    begun = []

    def make(clock):
        transport = AsyncScriptedTransport([Answer(status=503), GOOD], clock)
        client = AsyncClient([metrics, Retry(jitter=0)], transport=transport, clock=clock)

        async def call():
            begun.append(1)
            async with client.stream("POST", "https://api.example.org/") as stream:
                async for _ in stream:
                    await anyio.lowlevel.checkpoint()

        def held():
            it = total(metrics)
            return {"streams": it.streams_in_flight, "connections": it.connections_in_flight}

        return call, held

    assert cancel_sweep(make, backend=backend, by=by) > 5
    it = total(metrics)
    assert it.ended == len(begun)
    # Whoever is cancelled when the stream is complete already has had a success.
    assert it.calls["cancelled"] + it.calls["success"] == len(begun)
    assert 0 < it.calls["success"] <= 2


@pytest.mark.filterwarnings("ignore:a stream was dropped:ResourceWarning")
def test_a_call_that_nobody_ends_is_ended_by_the_garbage_collector():
    """It was cancelled, then; also when numbers are added up in that very moment."""
    metrics = Metrics()

    def abandon():
        clock = FakeClock()
        client = Client([metrics], transport=ScriptedTransport([GOOD], clock), clock=clock)
        stream = client.stream("POST", "https://api.example.org/")
        stream.__enter__()
        next(stream)
        stream.itself = stream  # only a collection finds out

    class Collecting(dict):
        """Collects while the lock is held."""

        def get(self, key, default=None):
            gc.collect()
            return super().get(key, default)

    told = []
    metrics.subscribe(lambda ended: told.append((ended.status, total(metrics).ended)))
    gc.disable()
    try:
        abandon()
        assert total(metrics).streams_in_flight == 1
        metrics._book._known = Collecting()
        one_call(metrics)
        assert total(metrics).ended >= 1
    finally:
        gc.enable()
    it = total(metrics)
    assert it.calls == {"success": 1, "failure": 0, "rejected": 0, "cancelled": 1}
    assert it.streams_in_flight == 0
    assert sorted(status for status, _ in told) == ["cancelled", "success"]


def test_no_count_is_lost_between_threads():
    """Calls that end in many threads while others ask for numbers."""
    metrics = Metrics()
    failure = Outcome(status="failure", attempts=1, duration=1.0, error=ServerError("down"))
    done, seen = threading.Event(), []

    def work():
        for _ in range(500):
            one_call(metrics)
            one_call(metrics, failure)

    def look():
        while not done.is_set():
            seen.append(total(metrics))

    workers = [threading.Thread(target=work) for _ in range(6)]
    looker = threading.Thread(target=look)
    for thread in (looker, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    looker.join()
    it = total(metrics)
    assert it.calls == {"success": 3000, "failure": 3000, "rejected": 0, "cancelled": 0}
    assert it.attempt_errors == it.call_errors == {"ServerError": 3000}
    assert it.tokens["final"]["output"] == 2 * 6000
    assert it.duration.count == it.time_to_first_event.count == 6000
    assert (it.streams_in_flight, it.connections_in_flight) == (0, 0)
    ended = [one.ended for one in seen]
    assert ended == sorted(ended)
    assert all(0 <= one.streams_in_flight <= 6 for one in seen)


def test_real_calls_in_threads_balance():
    """One object, several clients, blocking calls side by side."""
    metrics = Metrics()

    def work():
        for _ in range(20):
            play([Answer(status=503), GOOD], [metrics, Retry(budget=None)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    it = total(metrics)
    assert (it.calls["success"], it.attempts["failure"], it.retries) == (80, 80, {"ServerError": 80})
    assert it.streams_in_flight == 0


def test_memory_is_flat():
    """A hundred thousand calls need no more than a thousand."""
    metrics = Metrics()
    for _ in range(20_000):
        one_call(metrics)
    metrics.snapshot()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100_000):
            one_call(metrics)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 64 * 1024
    assert len(metrics._book._successes) < _ENOUGH
    assert not metrics._live
    assert total(metrics).ended == 120_000


def test_a_subscriber_is_told_of_each_call_until_it_leaves():
    """What it took and how it ended; leaving twice does no harm."""
    metrics, told = Metrics(), []
    leave = metrics.subscribe(told.append)
    script = [Answer(status=503), Answer(status=400)]
    played = play(script, [metrics, Retry(jitter=0, budget=None)], json={"model": "m"})
    leave()
    leave()
    play([GOOD], [metrics])
    (ended,) = told
    assert (ended.status, ended.error, ended.attempts) == ("failure", "ValidationError", 2)
    assert (ended.labels.model, ended.duration, ended.time_to_first_event) == ("m", played.elapsed, None)
    assert (ended.events, ended.bytes, ended.usage) == (0, 0, None)


def test_a_subscriber_that_fails_harms_nobody(caplog):
    """It is reported; the call and the other subscribers go on."""
    metrics, told = Metrics(), []
    metrics.subscribe(lambda ended: 1 / 0)
    metrics.subscribe(told.append)
    assert play([GOOD], [metrics]).error is None
    assert [ended.status for ended in told] == ["success"]
    assert "a subscriber of metrics failed" in caplog.text
    assert total(metrics).ended == 1


def test_a_subscriber_may_ask_and_call():
    """No lock is held: it gets numbers that have its call, and may make another call of the same client."""
    metrics, told = Metrics(), []

    def subscriber(ended):
        told.append(total(metrics).ended)
        if len(told) < 3:
            play([GOOD], [metrics])

    metrics.subscribe(subscriber)
    play([GOOD], [metrics])
    assert told == [1, 2, 3]


def test_a_subscriber_can_be_there_twice():
    """Each subscription ends by itself."""
    metrics, told = Metrics(), []
    append = partial(told.append)
    leave = metrics.subscribe(append)
    metrics.subscribe(append)
    leave()
    play([GOOD], [metrics])
    assert len(told) == 1


def test_odd_numbers_of_a_dialect_are_left_out():
    """What is no number or below nothing; everything else is counted."""
    metrics = Metrics()
    for usage in (Usage(input_tokens="many"), Usage(input_tokens=-5, output_tokens=3, final=True)):
        call = Call("id", REQUEST, DIALECT, CLOCK, 0.0)
        call.attempt, call.usage = 1, usage
        metrics.before_request(call, REQUEST)
        metrics.on_finish(call, SUCCESS)
    it = total(metrics)
    assert (it.calls["success"], it.tokens["final"]["input"], it.tokens["final"]["output"]) == (2, 0, 3)
    assert it.tokens["partial"]["input"] == 0
