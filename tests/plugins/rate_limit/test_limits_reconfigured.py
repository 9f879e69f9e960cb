"""A limiter that replaces another one in a running client goes on with its queues, under its own limits."""

import itertools
import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unbroken import (
    AsyncClient,
    Call,
    Client,
    Dialect,
    NetworkError,
    Outcome,
    RateLimitError,
    Reject,
    Request,
    Response,
    TimeoutError,
    Usage,
    Wait,
)
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse
from unbroken_rate_limit import KeyState, RateLimit, Tokens

URL = "https://api.example.org/v1"
OK = Answer(body=sse("one", "two"))
BUSY = Answer(status=429, headers={"retry-after": "20"})
DONE = Outcome(status="success", attempts=1, duration=0.0)
FAILED = Outcome(status="failure", attempts=1, duration=0.0, error=TimeoutError("late"))
THROTTLED = Outcome(
    status="failure", attempts=1, duration=0.0, error=RateLimitError("429", retry_after=3.0, status_code=429)
)
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def made(policy: RateLimit, script: Any = lambda _: OK) -> tuple[Client, ScriptedTransport]:
    clock = FakeClock()
    transport = ScriptedTransport(script, clock)
    return Client([policy], transport=transport, clock=clock), transport


def ask(client: Client) -> None:
    with client.stream("POST", URL) as stream:
        list(stream)


def state(policy: RateLimit) -> KeyState:
    (found,) = policy.snapshot().values()
    return found


@pytest.mark.parametrize(
    ("limits", "level"),
    [
        pytest.param({"requests": 100}, 60, id="higher"),
        pytest.param({"requests": 45}, 5, id="lower"),
        pytest.param({"requests": 30}, -10, id="below-what-is-in-use"),
        pytest.param({"requests": 50, "burst": 45}, 5, id="burst"),
        pytest.param({"requests": 50, "per": 6}, 10, id="window"),
        pytest.param({"requests": 50, "max_wait": None}, 10, id="same"),
    ],
)
def test_what_was_used_stays_used(limits: dict[str, Any], level: float) -> None:
    """More than a new limit allows is a debt, which flows in at its rate before the next call."""
    client, transport = made(RateLimit(requests=50))
    for _ in range(40):
        ask(client)
    new = RateLimit(max_wait=100, **limits) if "max_wait" not in limits else RateLimit(**limits)
    client.reconfigure([new])
    assert state(new).levels == pytest.approx({"requests": level})
    ask(client)
    per_second = limits["requests"] / limits.get("per", 60)
    assert transport.sent_at[-1] - 1000.0 == pytest.approx(max(0.0, (1 - level) / per_second))


def test_a_call_of_before_is_still_counted_and_settled() -> None:
    """By the limits of now: some are gone, those that came have counted it, and its tokens are corrected at the end."""
    old = RateLimit(requests=10, input_tokens=1000, estimate=lambda call: Tokens(500, 400))
    client, _ = made(old)
    stream = client.stream("POST", URL)
    with stream:
        new = RateLimit(tokens=2000, output_tokens=1000, requests=20)
        client.reconfigure([new])
        assert (state(new).in_flight, state(new).waiting) == (1, 0)
        assert state(new).levels == pytest.approx({"requests": 19, "tokens": 1100, "output_tokens": 600})
        list(stream)
    assert state(new).in_flight == 0
    assert state(new).levels == pytest.approx({"requests": 19, "tokens": 1498, "output_tokens": 998})
    client.reconfigure([last := RateLimit()])
    assert state(last).levels == {}
    ask(client)


def test_a_place_that_was_not_used_is_given_back() -> None:
    """Under other limits as well: as if it had never been taken."""
    clock, new = FakeClock(), RateLimit(requests=4, per=1e6)

    class Unreachable(ScriptedTransport):
        def open(self, request: Request, opening: Any) -> Any:
            client.reconfigure([new])
            assert (state(new).levels["requests"], state(new).in_flight) == (pytest.approx(3), 1)
            raise NetworkError("unreachable")

    client = Client([RateLimit(requests=2, per=1e6)], transport=Unreachable([], clock), clock=clock)
    with pytest.raises(NetworkError, match="unreachable"):
        ask(client)
    assert (state(new).levels["requests"], state(new).in_flight) == (pytest.approx(4), 0)


def test_a_gate_stays_closed() -> None:
    """What the server asked for holds, whatever the limits are."""
    client, transport = made(RateLimit(), [BUSY, OK])
    with pytest.raises(RateLimitError):
        ask(client)
    client.reconfigure([new := RateLimit(requests=100, ramp=None)])
    assert state(new).gate == pytest.approx(20.0)
    ask(client)
    assert transport.sent_at[-1] == pytest.approx(1020.0)


def test_the_wait_that_is_too_long_is_that_of_the_policy_of_the_call() -> None:
    """The limits are one for all, `max_wait` belongs to each policy."""
    client, _ = made(RateLimit(requests=1, max_wait=None))
    ask(client)
    waiting = client.stream("POST", URL)
    client.reconfigure([RateLimit(requests=1, max_wait=5)])
    with waiting:
        list(waiting)
    with pytest.raises(RateLimitError, match="max_wait"):
        ask(client)


def test_a_limiter_that_has_queues_keeps_them() -> None:
    """It serves another client."""
    busy = RateLimit(requests=5)
    other, _ = made(busy)
    ask(other)
    client, _ = made(RateLimit(requests=9))
    ask(client)
    ask(client)
    client.reconfigure([busy])
    assert state(busy).levels == pytest.approx({"requests": 4})


@BACKENDS
@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        pytest.param(120, [0.0, 0.75, 1.25, 1.75, 2.25], id="higher"),
        pytest.param(60, [0.0, 1.0, 2.0, 3.0, 4.0], id="same"),
        pytest.param(30, [0.0, 1.5, 3.5, 5.5, 7.5], id="lower"),
        pytest.param(None, [0.0, 0.5, 0.5, 0.5, 0.5], id="none"),
    ],
)
def test_calls_that_wait_keep_their_order_and_get_new_turns(
    backend: Any, requests: float | None, expected: list[float]
) -> None:
    """None is lost, none goes twice; a newcomer stands behind them."""
    clock = FakeClock()
    transport = AsyncScriptedTransport(lambda _: OK, clock)
    client = AsyncClient([RateLimit(requests=60, burst=1, max_wait=None)], transport=transport, clock=clock)
    new = RateLimit(requests=requests, burst=None if requests is None else 1, max_wait=None)

    async def call(number: int) -> None:
        async with client.stream("POST", URL, headers={"x-number": str(number)}) as stream:
            assert len([event async for event in stream]) == 2

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(call, number)
                await anyio.lowlevel.checkpoint()
            await anyio.sleep(0.5)
            client.reconfigure([new])
            group.start_soon(call, 4)

    run(main, clock=clock, backend=backend)
    numbers = [int(request.headers["x-number"]) for request in transport.requests]
    assert numbers == [0, 1, 2, 3, 4] if requests is not None else set(numbers) == {0, 1, 2, 3, 4}
    assert [at - 1000.0 for at in transport.sent_at] == pytest.approx(expected)
    assert (state(new).waiting, state(new).in_flight) == (0, 0)


def test_threads_lose_no_place_whenever_the_limiter_is_replaced() -> None:
    """Eight make calls meanwhile, some of which wait; in the end the level is what they have used."""
    clock = FakeClock()
    limits: list[dict[str, Any]] = [{"requests": 1000}, {"requests": 1000, "tokens": 1e6}, {"requests": 2000}]
    transport = ScriptedTransport(lambda _: OK, clock)
    client = Client([RateLimit(per=1e9, **limits[0])], transport=transport, clock=clock)
    threads = [threading.Thread(target=lambda: [ask(client) for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in itertools.count():
        client.reconfigure([RateLimit(per=1e9, **limits[number % 3])])
        if not any(thread.is_alive() for thread in threads):
            break
    client.reconfigure([last := RateLimit(per=1e9, requests=1000)])
    assert (state(last).waiting, state(last).in_flight) == (0, 0)
    assert state(last).levels == pytest.approx({"requests": 800})


class World:
    """Attempts of one client, made through the hooks of the limiter with which each began."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.limits = {"max_wait": 40, "estimate": lambda call: Tokens(len(call.id), 7), **limits}
        self.policy = RateLimit(**self.limits)
        self.client, transport = made(self.policy)
        self.clock = transport._clock
        self.attempts: list[tuple[RateLimit, Call]] = []

    def asked(self, policy: RateLimit, call: Call) -> object:
        answer = policy.before_request(call, call.request) or policy.look_again(call, call.request)
        if isinstance(answer, Wait):
            signal = None if answer.until is None else answer.until.is_set
            return "wait", answer.seconds, signal
        return ("reject", str(answer.error)) if isinstance(answer, Reject) else answer

    def act(self, what: str, number: int) -> object:
        if what == "pass":
            self.clock.advance(number / 2)
        elif what == "begin":
            now = self.clock.monotonic()
            call = Call("x" * (1 + number), Request.build("POST", URL), Dialect(), self.clock, now)
            self.attempts.append((self.policy, call))
            return self.asked(self.policy, call)
        elif self.attempts:
            policy, call = self.attempts[number % len(self.attempts)]
            if what == "ask":
                return self.asked(policy, call)
            if what == "usage":
                policy.on_usage(call, Usage(input_tokens=number, output_tokens=number))
            elif what == "cancel":
                policy.after_request(call, FAILED)
            else:
                call.response = Response(status_code=429 if what == "throttle" else 200)
                policy.after_request(call, THROTTLED if what == "throttle" else DONE)
        return None

    def swap(self, number: int) -> None:
        # The number of keys changes nothing here, but the settings are not the same.
        self.policy = RateLimit(**self.limits, max_keys=500 + number)
        self.client.reconfigure([self.policy])


ACTION = st.tuples(
    st.sampled_from(["begin", "begin", "ask", "end", "cancel", "usage", "throttle", "pass"]), st.integers(0, 12)
)
LIMITS = st.sampled_from(
    [{}, {"requests": 6, "burst": 2}, {"requests": 30, "burst": 1, "tokens": 300, "token_burst": 20}]
)


@settings(max_examples=60)
@given(limits=LIMITS, actions=st.lists(st.tuples(ACTION, st.booleans()), max_size=40))
def test_without_a_change_of_limits_nothing_is_different(limits: dict[str, Any], actions: list[Any]) -> None:
    """Turns, levels and signals are those of a client that is left alone, wherever it is reconfigured."""
    alone, changed = World(limits), World(limits)
    for number, ((what, value), swap) in enumerate(actions):
        if swap:
            changed.swap(number)
        assert changed.act(what, value) == alone.act(what, value)
        assert changed.policy.snapshot() == alone.policy.snapshot()


@settings(max_examples=60)
@given(changes=st.lists(LIMITS, max_size=8), actions=st.lists(ACTION, max_size=40))
def test_whatever_the_limits_become_no_place_is_lost(changes: list[Any], actions: list[Any]) -> None:
    """When all attempts have ended, nobody waits and nothing is in flight."""
    world = World(changes[0] if changes else {})
    for number, (what, value) in enumerate(actions):
        if changes and number % 5 == 0:
            world.limits = {**world.limits, "requests": None, "burst": None, "tokens": None, "token_burst": None}
            world.limits |= changes[number // 5 % len(changes)]
            world.swap(number)
        world.act(what, value)
    for number in range(len(world.attempts)):
        world.act("end", number)
    assert all((each.waiting, each.in_flight) == (0, 0) for each in world.policy.snapshot().values())
