"""FAULTS E in virtual time: policies and the engine together."""

import contextlib
import gc
import tracemalloc

import anyio
import pytest

from unbroken import AsyncClient, Client, NetworkError, RateLimitError, ServerError, TimeoutError
from unbroken.messages import Timeouts
from unbroken.testing import STALL, Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse
from unbroken_anthropic import Anthropic
from unbroken_retry import Retry
from unbroken_timeout import Timeout

START = ("message_start", {"type": "message_start"})
DELTA = ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}})
STOP = ("message_stop", {"type": "message_stop"})
URL = "https://api.example.org/v1/messages"


@pytest.mark.parametrize(
    ("reply", "plugins", "kind", "attempts", "elapsed", "reason"),
    [
        pytest.param(
            Answer(status=503),
            [Retry(initial_delay=1.0, jitter=0)],
            ServerError,
            4,
            7.0,
            "max_retries 3 reached",
            id="E54-max-retries",
        ),
        pytest.param(
            Answer(status=503),
            [Timeout(total=4), Retry(initial_delay=1.0, jitter=0)],
            ServerError,
            3,
            3.0,
            "deadline in 1 s, before the wait of 4 s is over",
            id="E54-deadline",
        ),
        pytest.param(
            Answer(status=429, headers={"retry-after": "900"}),
            [Timeout(), Retry(initial_delay=1.0, jitter=0)],
            RateLimitError,
            1,
            0.0,
            "retry_after of 900 s is over the max_retry_after of 120 s",
            id="E54-max-retry-after",
        ),
        pytest.param(
            Answer(connect=STALL),
            [Timeout(connect=0.5, total=20), Retry(max_retries=99, initial_delay=1.0, jitter=0)],
            TimeoutError,
            5,
            17.5,
            "deadline in 2.5 s, before the wait of 16 s is over",
            id="E54-deadline-after-timeouts",
        ),
    ],
)
def test_E54_what_stops_a_call_that_fails_for_ever(play, reply, plugins, kind, attempts, elapsed, reason):
    """Whichever limit comes first; the history says which."""
    played = play(lambda _: reply, plugins)
    assert type(played.error) is kind
    assert played.elapsed == elapsed
    history = played.error.history
    assert [attempt.number for attempt in history] == list(range(1, attempts + 1))
    assert {attempt.decided_by for attempt in history} == {"retry"}
    assert history[-1].reason == reason
    assert history[-1].delay is None
    assert all(attempt.delay for attempt in history[:-1])


@pytest.mark.parametrize("how", ["break", "raise", "cancel", "cancel-twice"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_E66_a_thousand_consumers_that_leave(backend, how, caplog):
    """Every exchange is let go, nothing is warned of, and none is left behind."""
    clock = FakeClock()
    transport = AsyncScriptedTransport(lambda _: Answer(body=[sse(START, DELTA), 9.0, sse(STOP)]), clock)
    client = AsyncClient([Timeout(), Retry()], transport=transport, clock=clock, dialect=Anthropic())
    streams = []

    async def leave(scope):
        if how == "raise":
            raise ValueError
        scope.cancel()
        if how == "cancel-twice":
            with anyio.CancelScope() as inner:
                inner.cancel()
                await anyio.sleep(1)

    async def consume():
        stream = client.stream("POST", URL)
        streams.append(stream)
        with anyio.CancelScope() as scope, contextlib.suppress(ValueError):
            async with stream:
                async for event in stream:
                    if event.type == DELTA[0] and how == "break":
                        break
                    if event.type == DELTA[0]:
                        await leave(scope)

    async def main():
        async with anyio.create_task_group() as tasks:
            for _ in range(1000 if how == "break" else 250):
                tasks.start_soon(consume)

    run(main, clock=clock, backend=backend)
    gc.collect()
    assert transport.open_exchanges == 0
    assert {exchange.released for exchange in transport.exchanges} == {False}
    assert {stream.outcome.status for stream in streams} == {"cancelled"}
    assert caplog.records == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_E71_the_clock_of_one_call_does_not_touch_another(backend):
    """A hundred streams, one of them stalls, ninety-nine complete."""
    clock = FakeClock()
    good = [sse(START, DELTA), 0.5, sse(DELTA), 0.5, sse(DELTA), 0.9, sse(STOP)]
    transport = AsyncScriptedTransport(
        lambda request: Answer(body=[sse(DELTA), STALL] if request.url.endswith("stall") else good), clock
    )
    client = AsyncClient([], transport=transport, clock=clock, dialect=Anthropic())
    outcomes, failures = [], []

    async def consume(number):
        stream = client.stream("POST", f"{URL}/{'stall' if number == 50 else number}", timeouts=Timeouts(idle=1))
        try:
            async with stream:
                async for _ in stream:
                    pass
        except TimeoutError as error:
            failures.append((number, error.timeout))
        outcomes.append(stream.outcome.status)

    async def main():
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(consume, number)

    run(main, clock=clock, backend=backend)
    assert failures == [(50, "idle")]
    assert sorted(outcomes) == ["failure"] + ["success"] * 99
    assert transport.open_exchanges == 0


def test_E70_what_waits_in_the_socket_takes_no_memory():
    """Ten thousand events of 10 kB, a consumer that thinks for five seconds over some: no timeout, memory flat."""
    clock = FakeClock()
    event = sse((DELTA[0], "x" * 10_000))
    highest = 0
    seen = 0

    def consume(_):
        nonlocal highest, seen
        seen += 1
        if seen % 500 == 0:
            clock.advance(5.0)
            highest = max(highest, tracemalloc.get_traced_memory()[0])
        return seen < 10_000

    script = [Answer(body=[event] * 10_001)]

    client = Client([], transport=ScriptedTransport(script, clock), clock=clock, dialect=Anthropic())
    tracemalloc.start()
    try:
        with client.stream("POST", URL, timeouts=Timeouts(idle=1, first_event=1)) as stream:
            for one in stream:
                if consume(one) is False:
                    break
    finally:
        tracemalloc.stop()
    assert seen == 10_000
    assert highest < 1_000_000


def test_a_transport_that_breaks_its_word_does_not_break_the_policies(play):
    """An error event, a reset and a timeout in a row are three attempts of one call."""
    replies = [
        Answer(body=sse(START, ("error", {"error": {"type": "overloaded_error"}}))),
        Answer(body=[sse(START), NetworkError("reset")]),
        Answer(connect=STALL),
        Answer(body=sse(START, DELTA, STOP)),
    ]
    played = play(replies, [Timeout(), Retry(initial_delay=1.0, jitter=0)], dialect=Anthropic())
    assert played.error is None
    assert [a.error for a in played.history] == ["OverloadedError", "NetworkError", "TimeoutError"]
    assert played.elapsed == 1 + 2 + 5 + 4
