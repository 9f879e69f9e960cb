"""FAULTS E 57-60 and 62 on the default list: the policies together, through the engine, in virtual time."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import attrs
import pytest

from unbroken import AsyncClient, Call, CircuitOpenError, Client, Error, Outcome, Plugin
from unbroken.config import default_plugins
from unbroken.messages import Timeouts
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, Played, ScriptedTransport, run, sse
from unbroken_anthropic import Anthropic
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_timeout import Timeout

START = ("message_start", {"type": "message_start"})
DELTA = ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}})
STOP = ("message_stop", {"type": "message_stop"})
WHOLE = [START[0], DELTA[0], STOP[0]]
URL = "https://api.example.org/v1/messages"

# What was decided last, the phase of the call, the state of the circuit.
BACK_OFF = ("TryAgain", "headers", "open")
LIMITER_WAIT = ("Wait", "before", "half_open")

DOWN = Answer(status=503)
GOOD = Answer(connect=1.0, latency=1.0, body=[sse(START), 1.0, sse(DELTA), 1.0, sse(STOP)])

Play = Callable[..., Played]


class Default:
    """The default list, in its order, and what it holds."""

    def __init__(
        self, *, retry: dict[str, Any] | None = None, limit: dict[str, Any] | None = None, **breaker: Any
    ) -> None:
        self.breaker = CircuitBreaker(**breaker)
        self.limiter = RateLimit(**limit or {})
        self.plugins: list[Plugin] = [Timeout(), Retry(jitter=0, **retry or {}), self.breaker, self.limiter]
        assert tuple(plugin.name for plugin in self.plugins) == default_plugins()

    def held(self) -> dict[str, int]:
        circuits, queues = self.breaker.snapshot().values(), self.limiter.snapshot().values()
        return {
            "permits": sum(circuit.in_flight for circuit in circuits),
            "probes": sum(circuit.probes for circuit in circuits),
            "places": sum(queue.waiting + queue.in_flight for queue in queues),
        }

    def half_open(self, clock: FakeClock) -> None:
        """Let one call fail and the time to recover pass."""
        client = Client(self.plugins, transport=ScriptedTransport([DOWN], clock), clock=clock)
        with pytest.raises(Error), client.stream("POST", URL):
            pass
        clock.advance(60.0)
        assert self.breaker.state == "half_open"


class Watching(Plugin):
    """Notes where a call was cancelled, and how long after the last decision."""

    name = "watching"

    def __init__(self, breaker: CircuitBreaker) -> None:
        super().__init__()
        self.breaker = breaker
        self.decided: tuple[str, float] = ("", 0.0)
        self.place: tuple[str, str, str] | None = None
        self.late = 0.0

    def on_decision(self, call: Call, decision: object, plugin: str) -> None:
        self.decided = (type(decision).__name__, call.now())

    def after_request(self, call: Call, outcome: Outcome) -> None:
        self.ended(call, outcome)

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        self.ended(call, outcome)

    def ended(self, call: Call, outcome: Outcome) -> None:
        if outcome.status == "cancelled" and self.place is None:
            what, at = self.decided
            self.place = (what, call.phase, self.breaker.state)
            self.late = call.now() - at


def test_E57_a_call_of_the_default_list_holds_nothing_wherever_it_is_cancelled(
    cancel_sweep: Callable[..., int],
) -> None:
    """Connect, head, error body, back-off, limiter wait, half-open probe, body: all is given back, and at once."""
    watched: list[Watching] = []

    def make_call(clock: FakeClock) -> Any:
        default = Default(
            retry={"initial_delay": 40.0, "max_delay": 40.0},
            limit={"requests": 1, "per": 50.0},
            failure_threshold=1,
            recovery_timeout=30.0,
            half_open_success_threshold=1,
        )
        watched.append(Watching(default.breaker))
        failing = Answer(connect=1.0, latency=1.0, status=500, body=[1.0, b"busy"])
        transport = AsyncScriptedTransport([failing, GOOD], clock)
        plugins = [watched[-1], *default.plugins]
        client = AsyncClient(plugins, transport=transport, clock=clock, dialect=Anthropic())

        async def call() -> None:
            async with client.stream("POST", URL) as stream:
                assert [event.type async for event in stream] == WHOLE

        def held() -> dict[str, int]:
            return {"exchanges": transport.open_exchanges, **default.held()}

        return call, held

    points = cancel_sweep(make_call)
    assert len(watched) == points + 1
    places = {one.place for one in watched}
    assert places >= {
        ("", "connect", "closed"),
        ("", "headers", "closed"),
        BACK_OFF,
        LIMITER_WAIT,
        ("Wait", "connect", "half_open"),
        ("Wait", "headers", "half_open"),
        ("Wait", "first_event", "half_open"),
        ("Wait", "streaming", "closed"),
    }, places
    waiting = [one.late for one in watched if one.place in {BACK_OFF, LIMITER_WAIT}]
    assert waiting == [0.0, 0.0]
    assert watched[-1].place is None


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_E58_a_thousand_tasks_and_only_the_permitted_probes_are_sent(backend: Any) -> None:
    """Those that are refused are not tried again, take no token, and wait for nothing."""
    clock = FakeClock()
    default = Default(retry={"max_retries": 0}, limit={"requests": 6000}, failure_threshold=1, half_open_max_probes=3)
    default.half_open(clock)
    default.plugins[1] = Retry(jitter=0)
    transport = AsyncScriptedTransport(lambda _: GOOD, clock)
    client = AsyncClient(default.plugins, transport=transport, clock=clock, dialect=Anthropic())
    started = clock.monotonic()
    refused: list[float] = []
    attempts: set[int] = set()

    async def call() -> None:
        stream = client.stream("POST", URL)
        try:
            async with stream:
                assert [event.type async for event in stream] == WHOLE
        except CircuitOpenError:
            refused.append(clock.monotonic() - started)
            attempts.add(stream.attempts)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(1000):
                group.start_soon(call)

    run(main, clock=clock, backend=backend)
    assert refused == [0.0] * 997
    assert attempts == {1}
    assert len(transport.requests) == 3
    assert default.breaker.state == "closed"
    assert not any(default.held().values())


def test_E58_many_threads_and_only_the_permitted_probes_are_sent() -> None:
    """The probe is on its way until all others have been refused."""
    clock = FakeClock()
    default = Default(retry={"max_retries": 0}, failure_threshold=1, half_open_success_threshold=1)
    default.half_open(clock)
    others = threading.Semaphore(0)
    threads = 40
    sent, refused = [], []

    def script(request: Any) -> Answer:
        sent.append(request)
        for _ in range(threads - 1):
            assert others.acquire(timeout=20)
        return GOOD

    client = Client(default.plugins, transport=ScriptedTransport(script, clock), clock=clock, dialect=Anthropic())

    def work() -> None:
        try:
            with client.stream("POST", URL) as stream:
                list(stream)
        except CircuitOpenError:
            refused.append(1)
            others.release()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (len(sent), len(refused)) == (1, threads - 1)
    assert default.breaker.state == "closed"
    assert not any(default.held().values())


def test_E59_a_circuit_that_opens_during_a_call_ends_its_retries(play: Play, fake_clock: FakeClock) -> None:
    """The next attempt is refused without a request; so are all calls after it, at once, but not those of others."""
    default = Default(retry={"initial_delay": 1.0, "max_retries": 9}, failure_threshold=3)
    first = play(lambda _: DOWN, default.plugins)
    assert len(first.requests) == 3
    assert type(first.error) is CircuitOpenError
    assert first.error.last_failure == "ServerError"
    assert [attempt.error for attempt in first.history] == ["ServerError"] * 3 + ["CircuitOpenError"]
    second = play(lambda _: DOWN, default.plugins)
    assert (type(second.error), second.requests, second.attempts, second.elapsed) == (CircuitOpenError, [], 1, 0.0)
    other = play([GOOD], default.plugins, url="https://api.example.com/v1/messages", dialect=Anthropic())
    assert other.types == WHOLE
    assert not any(default.held().values())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("wait", [10.0, 70.0], ids=["while-open", "while-a-probe-is-out"])
def test_E60_a_late_success_and_a_cancelled_probe_close_nothing(backend: Any, wait: float) -> None:
    """One call is admitted, another opens the circuit, the first succeeds late; then the probe is cancelled."""
    clock = FakeClock()
    default = Default(
        retry={"max_retries": 0},
        failure_threshold=1,
        recovery_timeout=60.0,
        half_open_success_threshold=1,
    )
    slow = Answer(body=[sse(START, DELTA), wait, sse(STOP)])
    probe = Answer(latency=50.0, body=sse(START, DELTA, STOP))
    transport = AsyncScriptedTransport([slow, DOWN, probe], clock)
    client = AsyncClient(default.plugins, transport=transport, clock=clock, dialect=Anthropic())
    states: list[str] = []

    async def late() -> None:
        async with client.stream("POST", URL, timeouts=Timeouts(idle=100.0)) as stream:
            async for _ in stream:
                pass
        states.append(default.breaker.state)

    async def probed() -> None:
        async with client.stream("POST", URL):
            raise AssertionError("it was to be cancelled")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(late)
            await anyio.sleep(1.0)
            with pytest.raises(Error):
                async with client.stream("POST", URL):
                    pass
            await anyio.sleep(64.0)
            with anyio.move_on_after(10.0) as scope:
                await probed()
            assert scope.cancelled_caught
            states.append(default.breaker.state)

    run(main, clock=clock, backend=backend)
    assert states == ["open" if wait == 10.0 else "half_open", "half_open"]
    assert not any(default.held().values())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_E62_attempts_of_many_calls_keep_the_bound(backend: Any) -> None:
    """Tried again or not: in no window does the server see more than burst + rate x t; nothing is left at the end."""
    clock = FakeClock()
    burst, rate = 5, 2.0
    default = Default(
        retry={"initial_delay": 1.0},
        limit={"requests": 120, "burst": burst, "max_wait": None},
        initial_state="metrics_only",
    )
    count = 0

    def script(request: Any) -> Answer:
        nonlocal count
        count += 1
        # Connected at once: what is cancelled before has not been sent, and its turn goes to the next.
        return DOWN if count % 4 == 0 else attrs.evolve(GOOD, connect=0.0)

    transport = AsyncScriptedTransport(script, clock)
    client = AsyncClient(default.plugins, transport=transport, clock=clock, dialect=Anthropic())
    done: list[int] = []

    async def call(number: int) -> None:
        with anyio.move_on_after(2.0 if number % 7 == 6 else 1e6):
            async with client.stream("POST", URL) as stream:
                async for _ in stream:
                    pass
            done.append(number)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(70):
                group.start_soon(call, number)

    run(main, clock=clock, backend=backend)
    sent = transport.sent_at
    assert len(done) >= 60
    assert len(sent) > len(done)
    for first, start in enumerate(sent):
        for last, end in enumerate(sent[first:], first):
            assert last - first + 1 <= burst + rate * (end - start) + 1e-6
    assert not any(default.held().values())
