"""Whole calls through the breaker: what counts, who is refused, what a refusal says."""

import builtins
import gc
import threading
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from unbroken import (
    Call,
    CircuitOpenError,
    Client,
    Dialect,
    Error,
    Event,
    Kind,
    NetworkError,
    Plugin,
    Reject,
    Replay,
    Request,
    Timeouts,
    TryAgain,
    ValidationError,
    Wait,
)
from unbroken.testing import STALL, Answer, FakeClock, Played, ScriptedTransport, play, sse
from unbroken_circuit_breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState, Window

ORIGIN = "https://api.example.org:443"
Play = Callable[..., Played]


class Story(Dialect):
    """An API with an event of each kind."""

    name = "story"
    has_terminal_event = True

    def classify(self, event: Event) -> Kind:
        kinds = {"start": Kind.PREAMBLE, "stop": Kind.TERMINAL, "error": Kind.ERROR}
        return kinds.get(event.type, Kind.CONTENT)


START, PART, END = sse(("start", "")), sse(("delta", "a")), sse(("delta", "b"), ("stop", ""))
GOOD = Answer(body=(START, PART, END))
DOWN = Answer(status=503)
CLOCKS = Timeouts(connect=1, first_event=5, idle=5, total=None)


class Server:
    """Answers with what it is told to, call after call, on one clock."""

    def __init__(self, play: Play, breaker: CircuitBreaker, clock: FakeClock, *others: object) -> None:
        self._play = play
        self.plugins = (breaker, *others)
        self.breaker = breaker
        self.clock = clock

    def call(self, reply: Answer = GOOD, **arguments: Any) -> Played:
        settings = {"dialect": Story(), "timeouts": CLOCKS, **arguments}
        return self._play([reply], self.plugins, **settings)

    def opened(self) -> "Server":
        """Fail until the circuit is open."""
        while self.breaker.state != "open":
            self.call(DOWN)
        return self

    def half_opened(self) -> "Server":
        """Wait until the circuit is half-open."""
        refused = self.opened().refusal()
        self.clock.advance(refused.retry_after or 0.0)
        return self

    def refusal(self, **arguments: Any) -> CircuitOpenError:
        played = self.call(**arguments)
        assert isinstance(played.error, CircuitOpenError)
        assert played.requests == []
        return played.error

    @property
    def in_flight(self) -> int:
        return sum(circuit.in_flight for circuit in self.breaker.snapshot().values())


MakeServer = Callable[..., Server]


@pytest.fixture
def server(play: Play, fake_clock: FakeClock) -> MakeServer:
    def make(*others: object, **values: Any) -> Server:
        return Server(play, CircuitBreaker(**values), fake_clock, *others)

    return make


ENDINGS: dict[str, tuple[Answer, int]] = {
    "success": (GOOD, 0),
    "B22-500": (Answer(status=500), 1),
    "B22-502": (Answer(status=502), 1),
    "B22-503": (Answer(status=503), 1),
    "B22-504": (Answer(status=504), 1),
    "B22-529": (Answer(status=529), 1),
    "B22-400": (Answer(status=400), 0),
    "B22-401": (Answer(status=401), 0),
    "B22-403": (Answer(status=403), 0),
    "B22-404": (Answer(status=404), 0),
    "B22-408": (Answer(status=408), 0),
    "B22-409": (Answer(status=409), 0),
    "B22-413": (Answer(status=413), 0),
    "B22-422": (Answer(status=422), 0),
    "B22-425": (Answer(status=425), 0),
    "B22-429": (Answer(status=429), 0),
    "connect": (Answer(failure=NetworkError("refused")), 1),
    "connect-clock": (Answer(connect=STALL), 1),
    "first-event-clock": (Answer(latency=STALL), 1),
    "first-event-clock-in-the-body": (Answer(body=(START, STALL)), 1),
    "idle-clock": (Answer(body=(START, PART, STALL)), 1),
    "reset-before-the-commit": (Answer(body=(START, NetworkError("reset"))), 1),
    "reset-after-the-commit": (Answer(body=(START, PART, NetworkError("reset"))), 1),
    "truncated": (Answer(body=(START, PART)), 1),
    "error-event": (Answer(body=sse(("error", ""))), 1),
    "error-event-after-the-commit": (Answer(body=(START, PART, sse(("error", "")))), 1),
    "not-a-stream": (Answer(headers={"content-type": "text/html"}, body=b"<html>"), 0),
    "pool-exhausted": (Answer(failure=Error("no free connection", is_local=True)), 0),
    "status-of-an-unknown-class": (Answer(failure=Error("?", status_code=503)), 1),
    "500-of-an-unknown-class": (Answer(failure=Error("?", status_code=500)), 1),
    "499-of-an-unknown-class": (Answer(failure=Error("?", status_code=499)), 0),
    "bug-in-the-transport": (Answer(failure=RuntimeError("bug")), 0),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_counts_as_a_failure(server: MakeServer, ending: str) -> None:
    """Failures of the network and the server do, wherever in the stream; refusals and what is ours do not."""
    reply, failures = ENDINGS[ending]
    played = server()
    played.call(reply)
    assert (played.breaker.failure_count, played.in_flight) == (failures, 0)


@pytest.mark.parametrize("ending", [name for name, (_, failures) in ENDINGS.items() if failures == 0][1:])
def test_what_is_ignored_neither_starts_the_row_anew_nor_closes_a_half_open_circuit(
    server: MakeServer, ending: str
) -> None:
    """It touches nothing."""
    ignored = ENDINGS[ending][0]
    used = server(failure_threshold=2, half_open_success_threshold=1)
    used.call(DOWN)
    used.call(ignored)
    assert used.breaker.failure_count == 1
    used.half_opened().call(ignored)
    assert used.breaker.state == "half_open"
    used.call(GOOD)
    assert used.breaker.state == "closed"


@pytest.mark.parametrize("count_429", [True, False])
def test_429_by_option(server: MakeServer, count_429: bool) -> None:
    """With the time that the server asks for, when it counts."""
    used = server(failure_threshold=1, count_429=count_429)
    used.call(Answer(status=429, headers={"retry-after": "100"}))
    assert used.breaker.state == ("open" if count_429 else "closed")
    if count_429:
        assert used.refusal().retry_after == pytest.approx(100.0)


@pytest.mark.parametrize(("body", "failures"), [((STALL,), 1), ((START, PART, STALL), 0)], ids=["before", "after"])
def test_the_total_clock_counts_before_the_first_event_only(
    server: MakeServer, body: tuple[Any, ...], failures: int
) -> None:
    """A server that was silent for all that time has failed; a long stream has outlasted the caller's patience."""
    used = server()
    used.call(Answer(body=body), timeouts=Timeouts(total=3, first_event=None, idle=None))
    assert used.breaker.failure_count == failures


def leave(_: Event) -> bool:
    return False


def interrupt(_: Event) -> None:
    raise KeyboardInterrupt


def stumble(_: Event) -> None:
    raise builtins.ValueError("the consumer's own")


@pytest.mark.parametrize("consume", [leave, interrupt, stumble])
def test_a_consumer_that_leaves_is_no_failure(server: MakeServer, consume: Callable[[Event], object]) -> None:
    """Its permit is given back."""
    used = server(failure_threshold=1)
    used.call(DOWN)
    used.breaker.reset()
    used.call(GOOD, consume=consume)
    assert (used.breaker.state, used.breaker.failure_count, used.in_flight) == ("closed", 0, 0)


class Refuses(Plugin):
    """Rejects at one hook."""

    name = "refuses"

    def __init__(self, hook: str) -> None:
        super().__init__()
        self.hook = hook

    def _answer(self, hook: str) -> Reject | None:
        return Reject(ValidationError("no")) if hook == self.hook else None

    def before_request(self, call: Call, request: Request) -> Reject | None:
        return self._answer("before_request")

    def on_response(self, call: Call, response: Any) -> Reject | None:
        return self._answer("on_response")

    def on_event(self, call: Call, event: Event) -> Reject | None:
        if self.hook == "bug":
            raise RuntimeError("bug")
        return self._answer("on_event")


@pytest.mark.parametrize("hook", ["before_request", "on_response", "on_event", "bug"])
@pytest.mark.parametrize("order", [1, -1], ids=["behind", "in-front"])
def test_a_rejection_by_another_policy_is_ignored(play: Play, fake_clock: FakeClock, hook: str, order: int) -> None:
    """Wherever it comes from, the place of the probe is given back."""
    breaker = CircuitBreaker(failure_threshold=1, half_open_success_threshold=9)
    used = Server(play, breaker, fake_clock).half_opened()
    for _ in range(3):
        played = play([GOOD], [breaker, Refuses(hook)][::order], dialect=Story())
        assert played.failure.is_local
        assert not isinstance(played.error, CircuitOpenError)
    assert (breaker.state, used.in_flight) == ("half_open", 0)


class Remembers(Plugin):
    """Answers from memory."""

    name = "remembers"

    def before_request(self, call: Call, request: Request) -> Replay:
        return Replay((Event("delta", b"a"), Event("stop", b"")))


def test_an_answer_from_memory_says_nothing_of_the_upstream(play: Play, fake_clock: FakeClock) -> None:
    """It closes no circuit."""
    breaker = CircuitBreaker(failure_threshold=1, half_open_success_threshold=1)
    used = Server(play, breaker, fake_clock).half_opened()
    played = play([], [breaker, Remembers()], dialect=Story())
    assert played.types == ["delta", "stop"]
    assert (breaker.state, used.in_flight) == ("half_open", 0)


def test_E59_an_open_circuit_refuses_at_once(server: MakeServer) -> None:
    """Not a request is sent and not a moment passes; every refusal is a new error that says everything."""
    used = server(circuit="upstream").opened()
    first, second = used.refusal(), used.refusal()
    assert first is not second
    assert used.call().elapsed == 0.0
    assert (first.circuit, first.key, first.last_failure, first.is_local) == ("upstream", ORIGIN, "ServerError", True)
    assert first.retry_after == second.retry_after
    assert first.recovers_at == used.clock.monotonic() + (first.retry_after or 0.0)
    assert 15.0 <= (first.retry_after or 0.0) <= 30.0
    assert first.message == f"the circuit 'upstream' for {ORIGIN} is open; the last failure was ServerError"
    assert first.retryable


def test_E59_circuits_are_per_key(server: MakeServer) -> None:
    """Another host is another circuit; the default key is the origin of the request as it is about to be sent."""
    used = server().opened()
    used.refusal(url="https://api.example.org/another/path?x=1")
    assert used.call(url="https://api.example.com/").error is None
    assert used.breaker.state_of(ORIGIN) == "open"
    assert used.breaker.state_of("https://api.example.com:443") == "closed"
    assert used.breaker.state_of("https://unknown.example.com:443") == "closed"
    assert used.breaker.state == "open"


def test_any_function_of_the_call_is_a_key(server: MakeServer) -> None:
    """What else a key may hold stays out of the message."""
    used = server(key=lambda call: call.request.headers["x-tenant"], failure_threshold=2)
    used.call(DOWN, headers={"x-tenant": "one"})
    used.call(DOWN, headers={"x-tenant": "two"})
    assert used.breaker.state == "closed"
    assert {key: used.breaker.failure_count_of(key) for key in ("one", "two", "three")} == {
        "one": 1,
        "two": 1,
        "three": 0,
    }
    used.call(DOWN, headers={"x-tenant": "two"})
    refusal = used.refusal(headers={"x-tenant": "two"})
    assert refusal.key == "two"
    assert "two" not in refusal.message
    assert used.breaker.state_of("one") == "closed"
    assert set(used.breaker.snapshot()) == {"one", "two"}


def test_keys_beyond_the_limit_pass_unguarded(server: MakeServer) -> None:
    """While all circuits are open there is no room for more."""
    used = server(max_keys=1, failure_threshold=1).opened()
    for _ in range(3):
        assert not isinstance(used.call(DOWN, url="https://api.example.com/").error, CircuitOpenError)
    assert set(used.breaker.snapshot()) == {ORIGIN}


def test_it_recovers(server: MakeServer) -> None:
    """Two probes, then all pass; `state` says half-open as soon as the time is over."""
    used = server().opened()
    used.clock.advance(30.0)
    assert used.breaker.state == "half_open"
    assert used.call().error is None
    assert used.breaker.state == "half_open"
    assert used.call().error is None
    assert (used.breaker.state, used.breaker.failure_count) == ("closed", 0)


def test_E57_a_probe_that_is_left_before_its_first_event_is_given_back(play: Play, fake_clock: FakeClock) -> None:
    """E60: nor does it close the circuit."""
    breaker = CircuitBreaker(half_open_success_threshold=1)
    Server(play, breaker, fake_clock).half_opened()
    transport = ScriptedTransport([GOOD, GOOD], fake_clock)
    with Client([breaker], transport=transport, clock=fake_clock, dialect=Story()) as client:
        with client.stream("POST", "https://api.example.org/"):
            (circuit,) = breaker.snapshot().values()
            assert (circuit.state, circuit.probes) == ("half_open", 1)
            with pytest.raises(CircuitOpenError) as caught, client.stream("POST", "https://api.example.org/"):
                pass
            assert (caught.value.retry_after, caught.value.recovers_at) == (60.0, fake_clock.monotonic() + 60.0)
        (circuit,) = breaker.snapshot().values()
        assert (circuit.state, circuit.probes, circuit.in_flight) == ("half_open", 0, 0)


@pytest.mark.parametrize("tail", ["break", "end"])
def test_a_probe_is_judged_by_its_first_content_event(server: MakeServer, tail: str) -> None:
    """The circuit closes while the stream goes on; if that breaks, it is one failure."""
    used = server(half_open_success_threshold=1).half_opened()
    seen: list[str] = []
    reply = Answer(body=(START, PART, 1.0, NetworkError("reset"))) if tail == "break" else GOOD
    used.call(reply, consume=lambda event: seen.append(used.breaker.state))
    assert set(seen) == {"closed"}
    assert (used.breaker.state, used.breaker.failure_count) == ("closed", int(tail == "break"))


def test_a_probe_that_breaks_later_opens_a_circuit_that_is_still_half_open(server: MakeServer) -> None:
    """Downgraded: its success is worth nothing any more."""
    used = server(half_open_success_threshold=2).half_opened()
    used.call(Answer(body=(START, PART, 1.0)))
    assert used.breaker.state == "open"
    (circuit,) = used.breaker.snapshot().values()
    assert circuit.opens == 2


def test_E60_a_call_from_before_the_circuit_opened_does_not_close_it(fake_clock: FakeClock) -> None:
    """It succeeds late, in the open time, or while a probe is out."""
    breaker = CircuitBreaker(failure_threshold=1, half_open_success_threshold=1)
    transport = ScriptedTransport([GOOD, GOOD, DOWN, Answer(body=(START, PART, 1.0, END))], fake_clock)
    with Client([breaker], transport=transport, clock=fake_clock, dialect=Story()) as client:
        streams = [client.stream("POST", "https://api.example.org/") for _ in range(4)]
        with streams[0] as early, streams[1] as late:
            with pytest.raises(Error), streams[2]:
                pass
            list(early)
            assert breaker.state == "open"
            fake_clock.advance(30.0)
            with streams[3]:
                list(late)
                assert breaker.state == "half_open"


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_E61_the_wall_clock_does_not_matter(server: MakeServer, jump: float) -> None:
    """An hour either way: neither earlier nor later."""
    used = server().opened()
    before = used.refusal()
    used.clock.jump_wall(jump)
    after = used.refusal()
    assert (after.retry_after, after.recovers_at) == (before.retry_after, before.recovers_at)
    used.clock.advance(after.retry_after or 0.0)
    used.clock.jump_wall(-2 * jump)
    assert used.call().error is None


def test_the_open_time_is_as_long_as_the_server_asks(server: MakeServer) -> None:
    """`Retry-After` on the failure that opens the circuit."""
    used = server(failure_threshold=1)
    used.call(Answer(status=503, headers={"retry-after": "120"}))
    assert used.refusal().retry_after == pytest.approx(120.0)


class Waits(Plugin):
    """Lets each attempt wait."""

    name = "waits"

    def before_request(self, call: Call, request: Request) -> Wait:
        return Wait(10.0)


@pytest.mark.parametrize(("latency", "failures"), [(1.9, 0), (2.1, 1)], ids=["in-time", "late"])
def test_a_late_first_event_is_a_slow_call(server: MakeServer, latency: float, failures: int) -> None:
    """Measured from when the request is sent: what a policy behind waits for is not the upstream's."""
    used = server(Waits(), slow_call=2.0)
    assert used.call(Answer(latency=latency, body=(START, PART, 4.0, END))).error is None
    assert used.breaker.failure_count == failures


def test_slow_calls_have_a_rate_of_their_own(server: MakeServer) -> None:
    """In a window with a `slow_rate`."""
    used = server(slow_call=2.0, window=Window(size=10, min_calls=2, failure_rate=1, slow_rate=0.5))
    used.call()
    used.call(Answer(latency=3.0, body=GOOD.body))
    (circuit,) = used.breaker.snapshot().values()
    assert (circuit.state, circuit.failure_count, circuit.slow_count, circuit.call_count) == ("open", 0, 1, 2)
    assert used.refusal().last_failure == "slow call"
    used.clock.advance(30.0)
    used.call(Answer(latency=3.0, body=GOOD.body))
    assert used.breaker.state == "open"


class Again(Plugin):
    """Retries at once, twice."""

    name = "again"

    def should_retry(self, call: Call, error: Error) -> TryAgain | None:
        return TryAgain() if call.attempt < 3 else None


def test_each_attempt_counts(play: Play, fake_clock: FakeClock) -> None:
    """Behind the retry policy the breaker sees them all, and stops them as soon as it is open."""
    breaker = CircuitBreaker(failure_threshold=2)
    played = play([DOWN, DOWN], [Again(), breaker], dialect=Story())
    assert isinstance(played.error, CircuitOpenError)
    assert [attempt.error for attempt in played.history] == ["ServerError", "ServerError", "CircuitOpenError"]
    assert len(played.requests) == 2


def test_states_that_a_person_sets(server: MakeServer) -> None:
    """Without a key for all circuits, with one for that."""
    used = server(failure_threshold=1)
    breaker = used.breaker
    breaker.force_open()
    assert breaker.state == "forced_open"
    refusal = used.refusal()
    assert (refusal.retry_after, refusal.recovers_at, refusal.retryable) == (None, None, False)
    assert refusal.message == f"the circuit 'default' for {ORIGIN} is forced open"
    breaker.disable()
    used.call(DOWN)
    assert (breaker.state, breaker.failure_count) == ("disabled", 0)
    breaker.metrics_only()
    used.call(DOWN)
    used.call(DOWN)
    assert (breaker.state, breaker.failure_count) == ("metrics_only", 2)
    breaker.reset()
    assert (breaker.state, breaker.failure_count) == ("closed", 0)
    breaker.force_open("https://api.example.com:443")
    assert (breaker.state, breaker.state_of(ORIGIN)) == ("forced_open", "closed")
    assert used.call().error is None
    used.refusal(url="https://api.example.com")
    breaker.reset("https://api.example.com:443")
    assert breaker.state == "closed"


def test_the_state_is_known_before_any_call() -> None:
    """And it is not the machine's clock that matters then."""
    assert (CircuitBreaker().state, CircuitBreaker().failure_count, CircuitBreaker().snapshot()) == ("closed", 0, {})
    assert CircuitBreaker(initial_state="metrics_only").state == "metrics_only"


@pytest.mark.parametrize("preset", ["DEFAULT", "LENIENT", "STRICT"])
def test_presets_at_work(play: Play, fake_clock: FakeClock, preset: str) -> None:
    """So many failures, so much time, so many successes."""
    config: CircuitBreakerConfig = getattr(CircuitBreakerConfig, preset)
    breaker = CircuitBreaker(config)
    used = Server(play, breaker, fake_clock)
    for number in range(config.failure_threshold):
        assert (breaker.state, breaker.failure_count) == ("closed", number)
        used.call(DOWN)
    assert breaker.state == "open"
    fake_clock.advance(config.recovery_timeout)
    for _ in range(config.half_open_success_threshold):
        assert breaker.state == "half_open"
        used.call(GOOD)
    assert breaker.state == "closed"


def test_the_memory_of_refusals_is_flat(fake_clock: FakeClock) -> None:
    """A refusal that is raised again and again would grow by a traceback each time."""
    breaker = CircuitBreaker()
    breaker.force_open()
    client = Client([breaker], transport=ScriptedTransport([], fake_clock), clock=fake_clock)

    def refuse(times: int) -> None:
        for _ in range(times):
            with pytest.raises(CircuitOpenError) as caught, client.stream("GET", "https://api.example.org"):
                pass
            depth, traceback = 0, caught.value.__traceback__
            while traceback is not None:
                depth, traceback = depth + 1, traceback.tb_next
            assert depth < 20

    refuse(20)
    gc.collect()
    tracemalloc.start()
    try:
        refuse(300)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 50_000


class Watches(Plugin):
    """Notes the states, and may use the breaker meanwhile."""

    name = "watches"

    def __init__(self, breaker: CircuitBreaker) -> None:
        super().__init__()
        self.breaker, self.told = breaker, list[str]()

    def on_circuit_state_change(self, new: str) -> None:
        self.told.append(f"{new}, {self.breaker.state}")


def test_the_collector_may_end_a_call_while_a_circuit_is_changed(fake_clock: FakeClock) -> None:
    """It runs wherever memory is asked for, so in the very thread that is inside: nothing may wait there."""
    breaker = CircuitBreaker()
    watches = Watches(breaker)
    transport = ScriptedTransport([GOOD], fake_clock)
    client = Client([breaker, watches], transport=transport, clock=fake_clock, dialect=Story())
    streams = [client.stream("POST", "https://api.example.org")]
    streams[0].__enter__()

    def change() -> None:
        breaker._circuits.force(ORIGIN, CircuitState.DISABLED, fake_clock.monotonic())
        streams.clear()
        gc.collect()
        assert watches.told == []

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        breaker._inbox.do(change)
        breaker._tell()
    (circuit,) = breaker.snapshot().values()
    assert (circuit.in_flight, watches.told) == (0, ["disabled, disabled"])


def test_one_breaker_serves_many_threads() -> None:
    """Every permit comes back, every failure is counted."""
    breaker = CircuitBreaker(initial_state="metrics_only")

    def work() -> None:
        for _ in range(15):
            play([DOWN], [breaker])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (circuit,) = breaker.snapshot().values()
    assert (circuit.failure_count, circuit.in_flight) == (120, 0)


def test_a_stream_that_breaks_its_format_after_the_commit_counts(play: Play) -> None:
    """The consumer finds it; an event over the limit of this client does not count, nor what no stream begins with."""
    breaker = CircuitBreaker(failure_threshold=2)
    broken = Answer(body=sse(("delta", "{"), ("delta", "{"), ("stop", "")))
    page = Answer(headers={"content-type": "text/html"}, body=b"<html>")
    large = Answer(body=[PART, sse(("delta", "x" * 2000))])
    for answer, failures in ((page, 0), (large, 0), (broken, 1), (broken, 2)):
        play([answer], [breaker], dialect=Story(), consume=_no_json, client={"max_event_size": 1000})
        assert breaker.failure_count == failures
    assert breaker.state is CircuitState.OPEN


def _no_json(event: Event) -> None:
    if event.data == "{":
        event.json()
