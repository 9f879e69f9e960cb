"""Many callers of one client, who wait, leave, and are let through: FAULTS 80 and 81."""

import random
import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from unbroken import AsyncClient, Call, Client, Plugin, Reject, Request, TryAgain, ValidationError
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, play, run, sse
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry

URL = "https://api.example.org/v1/messages"
OK = Answer(body=sse("word"))
BUSY = Answer(status=429, headers={"retry-after": "5"})
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def held(policy: RateLimit) -> int:
    """Count the places that somebody has."""
    return sum(state.waiting + state.in_flight for state in policy.snapshot().values())


async def call(client: AsyncClient, number: int, patience: float = 1e6) -> None:
    """Make one call and read its stream, unless it takes too long."""
    with anyio.move_on_after(patience):
        async with client.stream("POST", URL, headers={"x-number": str(number)}) as stream:
            async for _ in stream:
                pass


@BACKENDS
@pytest.mark.parametrize("seed", range(5))
def test_G81_callers_that_leave_in_any_order_leave_no_holes(backend: Any, seed: int) -> None:
    """One call per second, of sixty that wait forty leave: the twenty others are sent in twenty seconds, in order."""
    clock, chance = FakeClock(), random.Random(seed)
    policy = RateLimit(requests=60, burst=1, max_wait=None)
    transport = AsyncScriptedTransport(lambda _: OK, clock)
    client = AsyncClient([policy], transport=transport, clock=clock)
    leaving = set(chance.sample(range(1, 61), 40))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(61):
                group.start_soon(call, client, number, chance.uniform(0.1, 0.9) if number in leaving else 1e6)
                await anyio.lowlevel.checkpoint()

    run(main, clock=clock, backend=backend)
    numbers = [int(request.headers["x-number"]) for request in transport.requests]
    assert numbers == [0, *(number for number in range(1, 61) if number not in leaving)]
    assert transport.sent_at == pytest.approx([1000.0 + second for second in range(21)])
    assert held(policy) == 0


@BACKENDS
def test_G81_a_place_that_a_later_policy_refuses_is_used_at_once(backend: Any) -> None:
    """It was granted and nothing was sent, so the next one goes at the same moment."""

    class Refuses(Plugin):
        name = "refuses"

        def before_request(self, call: Call, request: Request) -> Reject | None:
            return Reject(ValidationError("no")) if int(request.headers["x-number"]) % 2 else None

    clock = FakeClock()
    policy = RateLimit(requests=60, burst=1, max_wait=None)
    transport = AsyncScriptedTransport(lambda _: OK, clock)
    client = AsyncClient([policy, Refuses()], transport=transport, clock=clock)

    async def one(number: int) -> None:
        try:
            await call(client, number)
        except ValidationError:
            assert number % 2

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(one, number)
                await anyio.lowlevel.checkpoint()

    run(main, clock=clock, backend=backend)
    assert transport.sent_at == pytest.approx([1000.0 + second for second in range(10)])
    assert held(policy) == 0


def test_G81_a_thread_that_waits_is_woken_by_another() -> None:
    """On the clock of the machine, where its turn would be in an hour."""
    policy = RateLimit(requests=1, per=3600, max_wait=None)
    client = Client([policy], transport=ScriptedTransport(lambda _: OK, FakeClock()))
    with client.stream("POST", URL) as stream:
        list(stream)
    done: list[int] = []

    def work() -> None:
        with client.stream("POST", URL) as stream:
            done.extend(1 for _ in stream)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while not client._setup.closing._wakes:
        threading.Event().wait(0.001)
    policy.reset()
    thread.join(60)
    assert done == [1]


def most_within(moments: list[float], seconds: float) -> int:
    """Return the largest number of moments within so many seconds."""
    return max(sum(start <= moment < start + seconds for moment in moments) for start in moments)


@BACKENDS
@pytest.mark.parametrize("limits", [{}, {"requests": 6000}], ids=["no-limits", "limits"])
def test_G80_two_hundred_callers_behind_a_gate_start_on_a_ramp(backend: Any, limits: dict[str, Any]) -> None:
    """None is early, none overtakes another, and never do more than a few start at the same time."""
    clock = FakeClock()
    policy = RateLimit(**limits, max_wait=None)
    transport = AsyncScriptedTransport(lambda request: OK if "x-number" in request.headers else BUSY, clock)
    client = AsyncClient([policy], transport=transport, clock=clock)

    async def main() -> None:
        with pytest.raises(Exception, match="429"):
            async with client.stream("POST", URL):
                pass
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(call, client, number)
                await anyio.lowlevel.checkpoint()

    run(main, clock=clock, backend=backend)
    sent = transport.sent_at[1:]
    assert [int(request.headers["x-number"]) for request in transport.requests[1:]] == list(range(200))
    assert sent[0] == 1005.0
    assert sent == sorted(sent)
    assert 1011.0 < sent[-1] < 1012.0
    assert most_within(sent, 0.1) <= 9
    assert len({round(moment, 6) for moment in sent}) == 200
    assert held(policy) == 0


@BACKENDS
def test_G80_two_hundred_callers_that_try_again_at_the_same_time_start_on_a_ramp(backend: Any) -> None:
    """Each had its own 429, and the back-off brings them all back when the gate opens."""
    clock, seen = FakeClock(), set[str]()

    def script(request: Request) -> Answer:
        number = request.headers["x-number"]
        first = number not in seen
        seen.add(number)
        return BUSY if first else OK

    transport = AsyncScriptedTransport(script, clock)
    client = AsyncClient([Retry(jitter=0, budget=None), RateLimit()], transport=transport, clock=clock)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(call, client, number)

    run(main, clock=clock, backend=backend)
    assert len(transport.sent_at) == 400
    again = transport.sent_at[200:]
    assert again[0] >= 1005.0
    assert most_within(again, 0.1) <= 9


def test_the_ramp_can_be_switched_off() -> None:
    """Then all start when the gate opens."""
    clock, policy = FakeClock(), RateLimit(ramp=None)
    play([BUSY], [policy], clock=clock)
    state = policy.snapshot()["https://api.example.org:443"]
    assert state.gate == pytest.approx(5.0)
    assert play([OK], [policy], clock=clock).elapsed == pytest.approx(5.0)
    assert play([OK], [policy], clock=clock).elapsed == 0.0


@BACKENDS
def test_thousands_that_wait_cost_each_other_nothing(backend: Any) -> None:
    """A change is told to the first of them alone: when those in the middle leave, nobody is woken."""
    clock = FakeClock()
    policy = RateLimit(requests=60, burst=1, max_wait=None)
    client = AsyncClient([policy], transport=AsyncScriptedTransport(lambda _: OK, clock), clock=clock)
    woken: list[object] = []

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(1002):
                group.start_soon(call, client, number, 0.5 if 1 < number < 1001 else 1e6)
                await anyio.lowlevel.checkpoint()
            (queue,) = [queue for _, queue in policy._keys.all()]
            places = list(queue._waiting)
            await anyio.sleep(0.75)
            woken.extend(place for place in places if place.signal.is_set)

    run(main, clock=clock, backend=backend)
    assert woken == []
    assert clock.monotonic() == pytest.approx(1002.0)


class Elsewhere(Plugin):
    """Goes to another host after the first failure."""

    name = "elsewhere"

    def should_retry(self, call: Call, error: Exception) -> TryAgain | None:
        other = Request.build("POST", "https://other.example.org/")
        return TryAgain(request=other, fresh=True) if len(call.history) == 0 else None


ONE, OTHER = "https://api.example.org:443", "https://other.example.org:443"


@pytest.mark.parametrize("limits", [{}, {"requests": 10}], ids=["no-limits", "limits"])
def test_the_place_is_where_the_attempt_goes(limits: dict[str, Any]) -> None:
    """After a fallback the load is on the other host; the gate of the first stays with the first."""
    clock, policy = FakeClock(), RateLimit(**limits)
    assert play([BUSY, OK], [Elsewhere(), policy], clock=clock).error is None
    states = policy.snapshot()
    assert states[ONE].gate == pytest.approx(5.0)
    if limits:
        assert states[OTHER].gate == 0.0
        assert {key: state.levels["requests"] for key, state in states.items()} == pytest.approx({ONE: 9, OTHER: 9})
    policy = RateLimit(**limits)
    played = play([Answer(status=503), BUSY], [Elsewhere(), policy], clock=clock)
    assert played.failure.status_code == 429
    assert {key: state.gate for key, state in policy.snapshot().items() if state.gate} == pytest.approx({OTHER: 5.0})


@pytest.mark.parametrize("limits", [{}, {"requests": 10}], ids=["no-limits", "limits"])
def test_a_place_remembers_its_key(limits: dict[str, Any]) -> None:
    """A plugin behind sends the attempt elsewhere: its gate is the one that the next attempt finds."""

    class Moves(Plugin):
        name = "moves"

        def before_request(self, call: Call, request: Request) -> Request:
            return Request.build("POST", "https://other.example.org/")

    clock, policy = FakeClock(), RateLimit(**limits)
    play([BUSY], [policy, Moves()], clock=clock)
    assert {key: state.gate for key, state in policy.snapshot().items()} == pytest.approx({ONE: 5.0})
    assert play([OK], [policy, Moves()], clock=clock).elapsed == pytest.approx(5.0)


def test_a_key_of_one_s_own_is_asked_for_each_attempt() -> None:
    """By then `call.current` is where it goes."""
    clock, policy = FakeClock(), RateLimit(requests=10, key=lambda call: call.current.origin)
    play([Answer(status=503), OK], [Elsewhere(), policy], clock=clock)
    assert list(policy.snapshot()) == [ONE, OTHER]
