"""The policy through the engine: who waits, who is refused, what is given back, and what is settled."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from unbroken import (
    AsyncClient,
    Call,
    Client,
    Dialect,
    Event,
    NetworkError,
    Outcome,
    PluginError,
    RateLimitError,
    Reject,
    Replay,
    Request,
    Response,
    SystemClock,
    Timeouts,
    TryAgain,
    Usage,
    ValidationError,
    Wait,
)
from unbroken.plugin import Plugin
from unbroken.testing import (
    STALL,
    Answer,
    AsyncScriptedTransport,
    FakeClock,
    Played,
    ScriptedTransport,
    check_plugin,
    run,
    sse,
)
from unbroken_anthropic import Anthropic
from unbroken_rate_limit import KeyState, RateLimit, Tokens
from unbroken_rate_limit._tokens import checked
from unbroken_retry import Retry as RetryPolicy
from unbroken_timeout import Timeout

Play = Callable[..., Played]

URL = "https://api.example.org/v1/messages"
KEY = "https://api.example.org:443"
OK = Answer(body=sse("word", "word"))
THROTTLED = Answer(status=429, headers={"retry-after": "5"})
LONG = Timeouts(connect=None, first_event=None, idle=None)


def message(*, input: int = 100, output: int = 20, more: Any = (), end: Any = None, **usage: int) -> Answer:
    """A stream of the Messages API with three deltas; `end` in place of its own."""
    counted = {"input_tokens": input, "output_tokens": 1, **usage}
    delta = ("content_block_delta", {"delta": {"type": "text_delta", "text": "word"}})
    begin = sse(("message_start", {"type": "message_start", "message": {"usage": counted}}), *[delta] * 3)
    rest = sse(
        ("message_delta", {"type": "message_delta", "usage": {"output_tokens": output}}),
        ("message_stop", {"type": "message_stop"}),
    )
    headers = {"content-type": "text/event-stream", **dict(more)}
    return Answer(headers=headers, body=(begin, *((rest,) if end is None else end)))


def held(policy: RateLimit) -> int:
    """Count the places that somebody has."""
    return sum(state.waiting + state.in_flight for state in policy.snapshot().values())


def levels(policy: RateLimit) -> dict[str, float]:
    """Return the levels of the one key."""
    (state,) = policy.snapshot().values()
    assert (state.waiting, state.in_flight) == (0, 0)
    return state.levels


class Refuses(Plugin):
    """A policy behind the limiter that lets nothing pass."""

    name = "refuses"

    def before_request(self, call: Call, request: Request) -> Reject:
        return Reject(ValidationError("no"))


class Waits(Plugin):
    """A policy behind the limiter that takes its time."""

    name = "waits"

    def before_request(self, call: Call, request: Request) -> Wait:
        return Wait(5.0)


class RetriesOnce(Plugin):
    """Tries again after a second."""

    name = "retries-once"

    def should_retry(self, call: Call, error: Exception) -> TryAgain | None:
        return TryAgain(1.0) if call.attempt == 1 else None


def test_the_contract() -> None:
    """No I/O, nothing kept, in one thread and in several, with and without limits."""
    for limits in ({}, {"requests": 100}, {"requests": 100, "tokens": 10_000, "max_wait": None}):
        check_plugin(lambda limits=limits: RateLimit(**limits), held=held)


def test_the_second_look_is_the_last_of_all() -> None:
    """It comes behind every other plugin's `before_request`."""
    client = Client([RateLimit(), Waits()], transport=ScriptedTransport([OK], FakeClock()))
    (line,) = (line for line in client.describe().splitlines() if "before_request" in line)
    assert line.split(maxsplit=1)[1] == "rate-limit, waits, rate-limit"


def test_calls_within_the_burst_do_not_wait(play: Play, fake_clock: FakeClock) -> None:
    """And a refilled bucket is as good as a new one."""
    policy = RateLimit(requests=60, burst=2)
    assert [play([OK], [policy]).elapsed for _ in range(2)] == [0.0, 0.0]
    fake_clock.advance(2.0)
    assert [play([OK], [policy]).elapsed for _ in range(2)] == [0.0, 0.0]
    assert levels(policy) == {"requests": pytest.approx(0.0)}


def test_a_call_over_the_rate_waits_for_its_turn(play: Play) -> None:
    """One a second."""
    policy = RateLimit(requests=60, burst=1)
    assert [play([OK], [policy]).elapsed for _ in range(3)] == pytest.approx([0.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("settings", "timeouts", "why"),
    [
        pytest.param({"max_wait": 9.5}, None, "max_wait of 9.5 s", id="max-wait"),
        pytest.param({}, Timeouts(total=8), "the deadline in 8 s", id="deadline"),
        pytest.param({"max_wait": None}, Timeouts(total=10), "the deadline in 10 s", id="at-the-deadline"),
        pytest.param({"max_wait": 0}, None, "max_wait of 0 s", id="no-waiting-at-all"),
    ],
)
def test_a_wait_that_is_too_long_is_refused_at_once(
    play: Play, settings: dict[str, Any], timeouts: Timeouts | None, why: str
) -> None:
    """With how long it would have been; nothing is taken and nothing is sent."""
    policy = RateLimit(requests=6, burst=1, **settings)
    assert play([OK], [policy]).error is None
    for _ in range(2):
        refused = play([], [policy], timeouts=timeouts)
        error = refused.failure
        assert type(error) is RateLimitError
        assert (error.is_local, error.retry_after, error.phase) == (True, pytest.approx(10.0), "before")
        assert why in error.message
        assert (refused.elapsed, refused.requests) == (0.0, [])
    assert held(policy) == 0


def test_without_max_wait_a_call_waits_as_long_as_it_takes(play: Play) -> None:
    """An hour, if that is the limit."""
    policy = RateLimit(requests=1, per=3600, max_wait=None)
    assert [play([OK], [policy]).elapsed for _ in range(2)] == pytest.approx([0.0, 3600.0])


def test_keys_are_apart(play: Play) -> None:
    """Each origin has limits of its own; or each whatever the function says."""
    policy = RateLimit(requests=60, burst=1)
    for host in ("one", "two"):
        assert play([OK], [policy], url=f"https://{host}.example.org").elapsed == 0.0
    assert set(policy.snapshot()) == {f"https://{host}.example.org:443" for host in ("one", "two")}
    tenants = RateLimit(requests=60, burst=1, key=lambda call: call.request.headers["x-tenant"])
    waits = [play([OK], [tenants], headers={"x-tenant": name}).elapsed for name in "aab"]
    assert waits == pytest.approx([0.0, 1.0, 0.0])


def test_a_function_that_fails_is_a_bug_that_is_reported(play: Play) -> None:
    """And leaves nothing behind."""
    for settings in (
        {"key": lambda call: 1 / 0},
        {"tokens": 9, "estimate": lambda call: 1 / 0},
        {"tokens": 9, "estimate": lambda call: Tokens(float("nan"), 0)},
        {"tokens": 9, "estimate": lambda call: Tokens(0, -1)},
        {"tokens": 9, "estimate": lambda call: Tokens(0, float("inf"))},
    ):
        policy = RateLimit(**settings)
        assert isinstance(play([], [policy]).error, PluginError)
        assert held(policy) == 0


# What was never sent costs nothing.


@pytest.mark.parametrize(
    ("reply", "plugins"),
    [
        pytest.param(OK, [Refuses()], id="a-later-policy-rejects"),
        pytest.param(Answer(failure=NetworkError("refused"), connect=STALL), [], id="no-connection"),
    ],
)
def test_what_was_never_sent_is_given_back(play: Play, reply: Answer, plugins: list[object]) -> None:
    """The request and its tokens."""
    policy = RateLimit(requests=10, tokens=1000)
    assert play([reply], [policy, *plugins], timeouts=Timeouts(connect=0.001)).error is not None
    assert levels(policy) == pytest.approx({"requests": 10, "tokens": 1000})


def test_an_answer_from_memory_costs_nothing(play: Play) -> None:
    """A policy behind the limiter has it; also after a failure."""

    class Remembers(Plugin):
        name = "remembers"

        def before_request(self, call: Call, request: Request) -> Replay:
            return Replay((Event.make("message", "word"),))

    class Recovers(Plugin):
        name = "recovers"

        def should_retry(self, call: Call, error: Exception) -> Replay:
            return Replay((Event.make("message", "word"),))

    policy = RateLimit(requests=10, tokens=1000)
    assert play([], [policy, Remembers()]).data == ["word"]
    assert levels(policy) == {"requests": 10, "tokens": 1000}
    assert play([Answer(status=503)], [policy, Recovers()]).data == ["word"]
    assert levels(policy) == pytest.approx({"requests": 9, "tokens": 1000})


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_E57_calls_cancelled_while_they_wait_give_their_places_back(backend: Any) -> None:
    """At once; whoever comes next has the first of them."""
    clock = FakeClock()
    policy = RateLimit(requests=6, burst=1)
    transport = AsyncScriptedTransport(lambda _: OK, clock)
    client = AsyncClient([policy], transport=transport, clock=clock)

    async def one() -> None:
        async with client.stream("POST", URL, json={}) as stream:
            assert [event.data async for event in stream] == ["word", "word"]

    async def main() -> None:
        await one()
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(one)
            await anyio.sleep(4.0)
            assert policy.snapshot()[KEY].waiting == 3
            group.cancel_scope.cancel()
        assert clock.monotonic() == 1004.0
        assert held(policy) == 0
        await one()

    run(main, clock=clock, backend=backend)
    assert transport.sent_at == pytest.approx([1000.0, 1010.0])


def test_a_thread_that_is_interrupted_while_it_waits_gives_its_place_back() -> None:
    """Control-C during the sleep."""

    class Interrupted(FakeClock):
        def sleep(self, seconds: float) -> None:
            raise KeyboardInterrupt

    policy, clock = RateLimit(requests=6, burst=1), Interrupted()
    client = Client([policy], transport=ScriptedTransport(lambda _: OK, clock), clock=clock)
    with client.stream("POST", URL) as stream:
        list(stream)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), client.stream("POST", URL):
            raise AssertionError("it was to be interrupted before")
    assert policy.snapshot()[KEY] == KeyState(levels={"requests": 0.0}, waiting=0, in_flight=0, gate=0.0)


# Many at once.


def assert_spaced(sent_at: list[float], burst: int, rate: float) -> None:
    """E62, on what the server saw."""
    for first, start in enumerate(sent_at):
        for last, end in enumerate(sent_at[first:], first):
            assert last - first + 1 <= burst + rate * (end - start) + 1e-6


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_E62_many_tasks_go_in_order_and_within_the_bound(backend: Any) -> None:
    """Three hundred at once, each with its number, some of which leave."""
    clock = FakeClock()
    transport = AsyncScriptedTransport(lambda _: OK, clock)
    policy = RateLimit(requests=600, burst=10, max_wait=None)
    client = AsyncClient([policy], transport=transport, clock=clock)

    async def one(number: int) -> None:
        with anyio.move_on_after(3.0 if number % 5 == 4 else 1e6):
            async with client.stream("POST", URL, headers={"x-number": str(number)}) as stream:
                async for _ in stream:
                    pass

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(300):
                group.start_soon(one, number)
                await anyio.sleep(0.001)

    run(main, clock=clock, backend=backend)
    numbers = [int(request.headers["x-number"]) for request in transport.requests]
    assert numbers == sorted(numbers)
    assert 240 <= len(numbers) < 300
    assert_spaced(transport.sent_at, 10, 10.0)
    assert held(policy) == 0


def test_E62_many_threads_keep_the_bound() -> None:
    """Eight threads on one clock; what is granted is granted once."""
    policy = RateLimit(requests=50, per=1000, max_wait=0)
    clock = FakeClock()
    transport = ScriptedTransport(lambda _: OK, clock)
    client = Client([policy], transport=transport, clock=clock)
    refused: list[float | None] = []

    def work() -> None:
        for _ in range(20):
            try:
                with client.stream("POST", URL) as stream:
                    list(stream)
            except RateLimitError as error:
                refused.append(error.retry_after)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(transport.requests), len(refused)) == (50, 110)
    assert held(policy) == 0


def test_E61_the_wall_clock_does_not_matter(play: Play, fake_clock: FakeClock) -> None:
    """An hour forward or back: the next turn is where it was."""
    policy = RateLimit(requests=60, burst=1)
    play([OK], [policy])
    for jump in (3600.0, -7200.0):
        fake_clock.jump_wall(jump)
        assert play([OK], [policy]).elapsed == pytest.approx(1.0)


# Tokens.


def test_real_usage_settles_the_estimate(play: Play) -> None:
    """Reserved: 100 by size and 500 of output. Used: 40 and 20."""
    policy = RateLimit(tokens=10_000, input_tokens=10_000, output_tokens=10_000)
    body = b'{"max_tokens": 500}'.ljust(400)
    seen: list[dict[str, float]] = []
    reply = message(input=40, output=20)
    played = play(
        [reply],
        [policy],
        dialect=Anthropic(),
        json=None,
        content=body,
        consume=lambda event: seen.append(next(iter(policy.snapshot().values())).levels),
    )
    assert played.error is None
    assert seen[0] == pytest.approx({"tokens": 9460, "input_tokens": 9960, "output_tokens": 9500})
    assert levels(policy) == pytest.approx({"tokens": 9940, "input_tokens": 9960, "output_tokens": 9980})


def test_limits_without_tokens_ask_for_no_estimate(play: Play) -> None:
    """Nor do they look into the body, or at the usage."""

    def never(call: Call) -> Tokens:
        raise AssertionError("no token is limited")

    policy = RateLimit(requests=10, estimate=never)
    assert not policy._keys.costs.in_tokens
    played = play([message(input=500, output=700)], [policy], dialect=Anthropic())
    assert played.error is None
    assert levels(policy) == pytest.approx({"requests": 9}, abs=1e-3)


def counts(*pairs: tuple[str, dict[str, int]]) -> Answer:
    """A stream whose events report usage, with ten seconds behind each."""
    body: list[Any] = []
    for place, counted in pairs:
        usage = {"usage": counted}
        data = {"message": usage} if place == "message_start" else {**usage, "delta": {"stop_reason": "end_turn"}}
        body += [sse((place, {"type": place, **data})), 10.0]
    return Answer(body=(*body, sse(("message_stop", {"type": "message_stop"}))))


def test_tokens_are_settled_while_they_stream(play: Play, fake_clock: FakeClock) -> None:
    """Not only at the end: what is counted is given back or taken as soon as the server says it."""
    policy = RateLimit(input_tokens=1e3, output_tokens=2e3, per=1e9, estimate=lambda call: Tokens(500, 1000))
    policy.bind(None, fake_clock)
    seen: list[dict[str, float]] = []

    class Looks(Plugin):
        name = "looks"

        def on_event(self, call: Call, event: Event) -> None:
            (state,) = policy.snapshot().values()
            seen.append(state.levels)

    answer = counts(
        ("message_start", {"input_tokens": 100, "output_tokens": 1}),
        ("message_delta", {"output_tokens": 300}),
        ("message_delta", {"output_tokens": 1600}),
    )
    play([answer], [policy, Looks()], dialect=Anthropic())
    assert [levels["input_tokens"] for levels in seen] == pytest.approx([900] * 4, abs=1)
    # The 1000 that were reserved, then the 300 that were counted, then 1600.
    assert [levels["output_tokens"] for levels in seen] == pytest.approx([1700, 1700, 400, 400], abs=1)


def test_a_placeholder_gives_nothing_back(play: Play, fake_clock: FakeClock) -> None:
    """The count at the start is no count: the tokens are still to come."""
    policy = RateLimit(output_tokens=2e3, per=1e9, estimate=lambda call: Tokens(0, 1000))
    policy.bind(None, fake_clock)
    seen: list[float] = []

    class Looks(Plugin):
        name = "looks"

        def on_usage(self, call: Call, usage: Usage) -> None:
            (state,) = policy.snapshot().values()
            seen.append(state.levels["output_tokens"])

    play([counts(("message_start", {"output_tokens": 1}))], [policy, Looks()], dialect=Anthropic())
    play([counts(("message_start", {"output_tokens": 1500}))], [policy, Looks()], dialect=Anthropic())
    assert seen == pytest.approx([1000, 500 - 1], abs=1)


def test_more_than_the_estimate_is_a_debt(play: Play) -> None:
    """The next call waits until it is paid."""
    settings: dict[str, Any] = {"output_tokens": 600, "token_burst": 100, "max_wait": None}
    policy = RateLimit(estimate=lambda call: Tokens(0, 10), **settings)
    play([message(output=500)], [policy], dialect=Anthropic())
    assert levels(policy) == pytest.approx({"output_tokens": -400})
    assert play([message()], [policy], dialect=Anthropic()).elapsed == pytest.approx(41.0)


def test_reads_from_a_cache_are_free_and_writes_to_it_are_not(play: Play) -> None:
    """As Anthropic counts input (PROTOCOLS 1.4)."""
    policy = RateLimit(input_tokens=10_000)
    reply = message(input=50, cache_read_input_tokens=5000, cache_creation_input_tokens=200)
    play([reply], [policy], dialect=Anthropic())
    assert levels(policy) == pytest.approx({"input_tokens": 9750})


def test_an_estimate_over_the_burst_takes_all_of_it_and_no_more(play: Play, fake_clock: FakeClock) -> None:
    """A `max_tokens` that no window has does not make the call impossible, nor all others for a long time."""
    policy = RateLimit(output_tokens=600, token_burst=300, max_wait=None, estimate=lambda call: Tokens(0, 64_000))
    assert play([message(output=10)], [policy], dialect=Anthropic()).elapsed == 0.0
    assert levels(policy) == pytest.approx({"output_tokens": 290})
    assert play([message(output=10)], [policy], dialect=Anthropic()).elapsed == pytest.approx(1.0)


CUT = (NetworkError("reset"),)


@pytest.mark.parametrize(
    ("reply", "leave_after", "taken"),
    [
        # Ten of input and a hundred of output are estimated.
        pytest.param(message(input=40, output=20), None, (40, 20), id="success"),
        pytest.param(message(input=40, end=CUT), None, (40, 4), id="cut-after-four-events"),
        pytest.param(message(input=40, end=(b"event: error\ndata: {}\n\n",)), None, (40, 4), id="error-event"),
        pytest.param(message(input=40, output=20), 2, (40, 2), id="left-after-two-events"),
        pytest.param(Answer(latency=STALL), None, (10, 0), id="no-answer"),
        pytest.param(Answer(failure=NetworkError("reset"), latency=1.0), None, (10, 0), id="reset-before-the-head"),
        pytest.param(Answer(status=529), None, (0, 0), id="overloaded"),
        pytest.param(Answer(status=400), None, (0, 0), id="refused-by-the-server"),
        pytest.param(Answer(body=sse(("message_stop", "{}"))), None, (10, 1), id="nothing-counted"),
    ],
)
def test_what_was_sent_is_settled_however_it_ends(
    play: Play, reply: Answer, leave_after: int | None, taken: tuple[int, int]
) -> None:
    """By what the server counted; where it only has placeholders, by the events that were delivered."""
    policy = RateLimit(
        requests=10, per=1e9, input_tokens=1000, output_tokens=1000, estimate=lambda call: Tokens(10, 100)
    )
    seen: list[Event] = []

    def consume(event: Event) -> bool:
        seen.append(event)
        return len(seen) != leave_after

    play([reply], [policy], dialect=Anthropic(), consume=consume, timeouts=Timeouts(first_event=5))
    expected = {"requests": 9, "input_tokens": 1000 - taken[0], "output_tokens": 1000 - taken[1]}
    assert levels(policy) == pytest.approx(expected)


def test_every_attempt_pays_for_itself(play: Play) -> None:
    """And a second attempt is counted from its own events."""
    policy = RateLimit(requests=10, per=1e9, output_tokens=1000)
    replies = [Answer(body=(NetworkError("reset"),)), message(output=20)]
    assert play(replies, [RetriesOnce(), policy], dialect=Anthropic()).attempts == 2
    assert levels(policy) == pytest.approx({"requests": 8, "output_tokens": 980})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"max_tokens": 7}', 7),
        (b'{"max_completion_tokens": 8}', 8),
        (b'{"max_output_tokens": 9, "max_tokens": null}', 9),
        (b'{"messages": ["\\"max_tokens\\": 5"], "tool": {"max_tokens": 6}}', 1024),
        (b'{"max_tokens": true}', 1024),
        (b'{"max_tokens": "7"}', 1024),
        (b'{"max_tokens": -7}', 1024),
        (b'{"max_tokens": 7', 1024),
        (b"[" * 100_000, 1024),
        (b"[]", 1024),
        (b"", 1024),
    ],
    ids=lambda value: str(value)[:50],
)
def test_the_estimate_of_a_body(play: Play, body: bytes, expected: float) -> None:
    """A token for each four bytes, and the most output that the request itself asks for."""
    policy = RateLimit(output_tokens=2000, input_tokens=1e6, max_wait=0)
    seen: list[dict[str, float]] = []
    play(
        [message(end=(STALL,))],
        [policy],
        json=None,
        content=body,
        consume=lambda event: seen.append(next(iter(policy.snapshot().values())).levels),
        timeouts=Timeouts(idle=1),
    )
    assert seen[0] == pytest.approx({"output_tokens": 2000 - expected, "input_tokens": 1e6 - len(body) / 4})


# The gate.


def test_a_429_closes_the_gate_for_all_calls_of_the_key(play: Play, fake_clock: FakeClock) -> None:
    """Without any limit set. Who can wait waits, other keys do not."""
    policy = RateLimit()
    assert isinstance(play([THROTTLED], [policy]).error, RateLimitError)
    assert policy.snapshot() == {KEY: KeyState(levels={}, waiting=0, in_flight=0, gate=5.0)}
    assert play([OK], [policy], url="https://other.example.org").elapsed == 0.0
    fake_clock.advance(1.0)
    assert play([OK], [policy]).elapsed == pytest.approx(4.0)
    assert policy.snapshot()[KEY].gate == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("settings", "timeouts"),
    [({"max_wait": 4.5}, None), ({}, Timeouts(total=5))],
    ids=["max-wait", "deadline"],
)
def test_calls_that_cannot_wait_that_long_fail_at_once(
    play: Play, settings: dict[str, Any], timeouts: Timeouts | None
) -> None:
    """With the rest of the wait."""
    policy = RateLimit(**settings)
    play([THROTTLED], [policy])
    played = play([], [policy], timeouts=timeouts)
    assert (played.elapsed, played.failure.retry_after) == (0.0, pytest.approx(5.0))
    assert played.failure.is_local


@pytest.mark.parametrize(
    ("reply", "settings"),
    [
        pytest.param(Answer(status=429), {}, id="no-hint"),
        pytest.param(Answer(status=503, headers={"retry-after": "5"}), {}, id="not-a-429"),
        pytest.param(THROTTLED, {"gate_on_429": False}, id="turned-off"),
        pytest.param(
            Answer(
                status=429,
                headers={"retry-after": "5"},
                body=b'{"error": {"type": "rate_limit_error", "message": "spend", '
                b'"details": {"error_code": "enforced_spend_limit_reached"}}}',
            ),
            {},
            id="B32-a-quota",
        ),
    ],
)
def test_what_closes_no_gate(play: Play, reply: Answer, settings: dict[str, Any]) -> None:
    """Only a 429 that says how long, and that waiting can cure."""
    policy = RateLimit(**settings)
    assert play([reply], [policy], dialect=Anthropic()).error is not None
    assert policy.snapshot() == {}


def test_a_retry_after_a_429_finds_the_gate_open(play: Play) -> None:
    """The retry policy waits at least as long as the gate is closed; nobody waits twice."""
    policy = RateLimit(requests=60, burst=1)
    played = play([THROTTLED, OK], [Timeout(total=60), RetryPolicy(jitter=0), policy])
    assert (played.error, played.attempts, played.elapsed) == (None, 2, pytest.approx(5.0))
    assert levels(policy) == {"requests": pytest.approx(0.0)}


def test_a_refusal_of_another_policy_closes_no_gate(play: Play) -> None:
    """Only the server's word counts."""

    class Limits(Plugin):
        name = "limits"

        def on_response(self, call: Call, response: Response) -> Reject:
            return Reject(RateLimitError("no", retry_after=5.0))

    policy = RateLimit()
    play([OK], [policy, Limits()])
    assert policy.snapshot() == {}


def test_B33_the_gate_stays_closed_as_long_as_it_was_asked_for(play: Play) -> None:
    """A day: every call fails at once and says so, until somebody resets it."""
    policy = RateLimit()
    play([Answer(status=429, headers={"retry-after": "86400"})], [policy])
    assert play([], [policy]).failure.retry_after == pytest.approx(86400)
    policy.reset()
    assert play([OK], [policy]).error is None


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_those_who_wait_already_wait_for_the_gate_too(backend: Any) -> None:
    """Their time comes while it is closed: they look again, and keep their order and distances."""
    clock = FakeClock()
    replies = iter([Answer(latency=1.0, status=429, headers={"retry-after": "5"}), OK, OK, OK])
    transport = AsyncScriptedTransport(lambda _: next(replies), clock)
    policy = RateLimit(requests=30, burst=1, max_wait=8.5)
    client = AsyncClient([policy], transport=transport, clock=clock)
    ends: list[tuple[int, str, float]] = []

    async def one(number: int) -> None:
        try:
            async with client.stream("POST", URL) as stream:
                async for _ in stream:
                    pass
        except RateLimitError as error:
            ends.append((number, "local" if error.is_local else "remote", clock.monotonic() - 1000))
        else:
            ends.append((number, "ok", clock.monotonic() - 1000))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(one, number)
                await anyio.lowlevel.checkpoint()

    run(main, clock=clock, backend=backend)
    assert [(number, what) for number, what, _ in sorted(ends)] == [
        (0, "remote"),
        (1, "ok"),
        (2, "ok"),
        (3, "local"),  # its turn would be at 10 s now, which is longer than it was ready to wait
    ]
    # The last one learns of it at 6 s, when it would have been its turn.
    assert [when for *_, when in sorted(ends)] == pytest.approx([1.0, 6.0, 8.0, 6.0])
    assert transport.sent_at == pytest.approx([1000.0, 1006.0, 1008.0])
    assert held(policy) == 0


def test_the_gate_may_close_while_another_policy_waits(play: Play, fake_clock: FakeClock) -> None:
    """Then the call waits on, just before it would be sent."""
    policy = RateLimit()

    class Closes(Plugin):
        name = "closes"

        def before_request(self, call: Call, request: Request) -> Wait:
            now = call.now()
            policy._keys.get(KEY, now).close_gate(now + 7.0, now)
            return Wait(5.0)

    played = play([OK], [policy, Closes()])
    assert (played.error, played.elapsed) == (None, pytest.approx(7.0))


# By hand.


def make_call(clock: FakeClock) -> Call:
    """Make a call that no engine runs."""
    return Call("call", Request.build("POST", URL), Anthropic(), clock, clock.monotonic())


def test_a_call_without_a_place_is_left_alone(fake_clock: FakeClock) -> None:
    """It was answered before its turn came."""
    policy, call = RateLimit(tokens=1000), make_call(fake_clock)
    call.usage = Usage(input_tokens=5)
    assert policy.look_again(call, call.request) is None
    policy.on_response(call, Response(status_code=200))
    policy.on_usage(call, call.usage)
    policy.after_request(call, Outcome(status="success", attempts=1, duration=0.0))
    assert policy.snapshot() == {}


def test_a_timer_that_rings_early_makes_nobody_lose_count(fake_clock: FakeClock) -> None:
    """Event loops round. What was sent is charged, even if its time is yet to come."""
    policy = RateLimit(requests=60, burst=1)
    policy.bind(None, fake_clock)
    first, second = make_call(fake_clock), make_call(fake_clock)
    assert policy.before_request(first, first.request) is None
    assert policy.before_request(second, second.request) == Wait(1.0, "rate limit")
    for call in (second, first):
        call.response = Response(status_code=200)
        policy.after_request(call, Outcome(status="success", attempts=1, duration=0.0))
    assert levels(policy) == {"requests": -1.0}


def test_unused_it_knows_nothing() -> None:
    """No call, no key."""
    policy = RateLimit(requests=5)
    policy.reset()
    assert policy.snapshot() == {}


def test_keys_are_bounded(play: Play, fake_clock: FakeClock) -> None:
    """What is at rest goes first, then the least recently used; never what is gated."""
    policy = RateLimit(requests=60, max_keys=3)

    def visit(host: str, reply: Answer = OK) -> None:
        play([reply], [policy], url=f"https://{host}.example.org")

    def hosts() -> list[str]:
        return [str(key).split("//")[1].split(".")[0] for key in policy.snapshot()]

    visit("gated", Answer(status=429, headers={"retry-after": "1000"}))
    for name in ("a", "b", "a", "c"):
        visit(name)
    assert hosts() == ["gated", "a", "c"]
    fake_clock.advance(60.0)
    visit("c")
    visit("d")
    assert hosts() == ["gated", "c", "d"], "d pushed out a"
    fake_clock.advance(1000.0)
    visit("e")
    assert hosts() == ["e"], "all others were at rest"


def test_keys_in_use_are_never_forgotten(fake_clock: FakeClock) -> None:
    """However many there are."""
    policy = RateLimit(requests=60, max_keys=2, key=lambda call: call.id)
    calls = [Call(str(n), Request.build("POST", URL), Dialect(), fake_clock, 0.0) for n in range(5)]
    for call in calls:
        policy.before_request(call, call.request)
    assert len(policy.snapshot()) == 5
    for call in calls:
        policy.after_request(call, Outcome(status="rejected", attempts=1, duration=0.0))
    policy.before_request(make_call(fake_clock), calls[0].request)
    assert list(policy.snapshot()) == ["call"]


def test_real_clocks_are_the_default() -> None:
    """Nothing in the policy depends on the clock being a fake one."""
    policy = RateLimit(requests=60)
    call = Call("call", Request.build("POST", URL), Dialect(), SystemClock(), 0.0)
    assert policy.before_request(call, call.request) is None
    assert held(policy) == 1


def test_a_reset_is_one_of_all_keys(play: Play) -> None:
    """Each bucket is full and each gate open afterwards."""
    policy = RateLimit(requests=2, per=1e9, key=lambda call: call.current.headers["key"])
    for key in ("a", "b", "c"):
        play([Answer(status=429, headers={"retry-after": "9"})], [policy], headers={"key": key})
    policy.reset()
    assert [(state.levels["requests"], state.gate) for state in policy.snapshot().values()] == [(2.0, 0.0)] * 3


@pytest.mark.parametrize("tokens", [Tokens(-1, 0), Tokens(0, -1), Tokens(float("inf"), 0), Tokens(0, float("inf"))])
def test_an_estimate_that_is_no_number_of_tokens_is_refused_by_name(tokens: Tokens) -> None:
    """Before it reaches a bucket."""
    with pytest.raises(ValueError, match="must be finite and not negative"):
        checked(tokens)


def test_a_key_with_a_call_in_flight_is_remembered_however_many_there_are(fake_clock: FakeClock) -> None:
    """Its bucket has filled up again, but what the call gives back or uses must find it."""
    policy = RateLimit(requests=1, per=1.0, max_keys=1, key=lambda call: call.current.headers["key"])
    transport = ScriptedTransport([OK, OK], fake_clock)
    client = Client([policy], transport=transport, clock=fake_clock)
    with client, client.stream("POST", URL, headers={"key": "a"}) as first:
        fake_clock.advance(100.0)
        with client.stream("POST", URL, headers={"key": "b"}) as second:
            assert list(policy.snapshot()) == ["a", "b"]
            list(second)
        list(first)
