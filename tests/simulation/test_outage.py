"""An upstream that is down for a minute, and a thousand clients that want it, in virtual time.

Each client is a program of its own: its plugins, its circuit, its budget. It makes a call every 15 s or so (7.5 to
22.5 s, evenly), which is some 65 calls per second for all. The upstream answers after 50 ms; from second 15 until
second 75 with a 503. The run ends after second 155: some 10 000 calls, a few seconds of real time, of which a third
goes into building the clients.

Of the budget a client has one retry in reserve, and a further one every 100 s. With the default floor of ten per second
no budget of so small a program would ever run out, and the breakers would be alone in holding the load down.
"""

import random
import statistics
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from attrs import Factory, define

from unbroken import AsyncClient, Plugin
from unbroken.errors import Error
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, run, sse
from unbroken_circuit_breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState
from unbroken_retry import Retry, RetryBudget
from unbroken_timeout import Timeout

CLIENTS = 1000
EVERY = 15.0
DOWN, UP, END = 15.0, 75.0, 155.0
BUDGET = RetryBudget(ratio=0.2, min_per_second=0.01, window=100)
RESERVE = 1
HELLO = sse("hello")


@define
class Run:
    """What came of a simulation."""

    sent_at: list[float] = Factory(list)
    sent_by: Counter[str] = Factory(Counter)
    calls: Counter[str] = Factory(Counter)
    ends: list[tuple[float, str, str]] = Factory(list)
    """When, which client, and how each call ended."""
    breakers: dict[str, CircuitBreaker] = Factory(dict)
    probes: list[tuple[float, str]] = Factory(list)
    """When, and by which client."""

    @property
    def usual(self) -> float:
        """Requests per second before the outage."""
        return self.sent(0.0, DOWN) / DOWN

    def sent(self, start: float, end: float) -> int:
        return sum(start <= moment < end for moment in self.sent_at)

    def peak(self, start: float, end: float) -> int:
        """The most requests in a second."""
        return peak(moment for moment in self.sent_at if start <= moment < end)


def peak(moments: Any) -> int:
    return max(Counter(int(moment) for moment in moments).values(), default=0)


def protected(run: Run, name: str) -> list[Plugin]:
    run.breakers[name] = CircuitBreaker(CircuitBreakerConfig.STRICT)
    return [Timeout(), Retry(budget=BUDGET), run.breakers[name]]


def unprotected(run: Run, name: str) -> list[Plugin]:
    return [Timeout(), Retry(budget=None)]


def simulate(plugins: Callable[[Run, str], list[Plugin]], seed: int, clients: int = CLIENTS) -> Run:
    """Let the clients call until `END`, and each end the call it is in."""
    clock, result = FakeClock(start=0.0, seed=seed), Run()

    def answer(request: Any) -> Answer:
        name = request.url.rpartition("/")[2]
        result.sent_by[name] += 1
        if name in result.breakers and result.breakers[name].state is CircuitState.HALF_OPEN:
            result.probes.append((clock.monotonic(), name))
        down = DOWN <= clock.monotonic() < UP
        return Answer(status=503, latency=0.05) if down else Answer(latency=0.05, body=HELLO)

    transport = AsyncScriptedTransport(answer, clock)
    result.sent_at = transport.sent_at

    async def live(name: str) -> None:
        chance = random.Random(f"{seed} {name}")
        client = AsyncClient(plugins(result, name), transport=transport, clock=clock)
        await anyio.sleep(chance.uniform(0.0, EVERY))
        while clock.monotonic() < END:
            result.calls[name] += 1
            end = "success"
            try:
                async with client.stream("GET", f"https://api.example.org/{name}") as stream:
                    async for _ in stream:
                        pass
            except Error as error:
                end = f"{type(error).__name__}, {error.history[-1].reason}"
            result.ends.append((clock.monotonic(), name, end))
            await anyio.sleep(chance.uniform(0.5, 1.5) * EVERY)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(clients):
                tasks.start_soon(live, str(number))

    run(main, clock=clock)
    return result


@pytest.fixture(scope="module")
def calm() -> Run:
    return simulate(protected, seed=1)


@pytest.fixture(scope="module")
def storm() -> Run:
    """The control; a quarter of the clients shows it."""
    return simulate(unprotected, seed=1, clients=CLIENTS // 4)


def test_all_requests_are_within_the_budget(calm: Run) -> None:
    """At most (1 + ratio) times the calls, and the floor: of all together, and of each client."""
    longest = max(calm.sent_at)
    for name, calls in calm.calls.items():
        assert calm.sent_by[name] <= (1 + BUDGET.ratio) * calls + BUDGET.min_per_second * longest + RESERVE
    total = sum(calm.calls.values())
    floor = CLIENTS * (BUDGET.min_per_second * longest + RESERVE)
    assert len(calm.sent_at) <= (1 + BUDGET.ratio) * total + floor
    assert len(calm.sent_at) <= (1 + BUDGET.ratio) * total  # the breakers save more than the floor allows


def test_every_limit_takes_part(calm: Run) -> None:
    """Or the simulation would show nothing of it."""
    ends = Counter(end for _, _, end in calm.ends)
    assert ends["ServerError, retry budget exhausted"] > CLIENTS
    assert sum(count for end, count in ends.items() if end.startswith("CircuitOpenError")) > CLIENTS / 2
    assert len(calm.probes) > CLIENTS


def test_all_circuits_recover(calm: Run) -> None:
    """Every client is served again, within a wait of the circuit and two calls."""
    assert len(calm.breakers) == CLIENTS
    assert {breaker.state for breaker in calm.breakers.values()} == {CircuitState.CLOSED}
    late = [end for at, _, end in calm.ends if at > UP + 60]
    assert set(late) == {"success"}
    assert len({name for at, name, end in calm.ends if at > UP + 50 and end == "success"}) == CLIENTS


def test_there_is_no_thundering_herd(calm: Run) -> None:
    """Neither while the upstream is down, once the circuits know, nor when it comes back."""
    assert calm.peak(DOWN, DOWN + 30) <= 2.5 * calm.usual
    assert calm.sent(DOWN + 30, UP) / (UP - DOWN - 30) <= 0.75 * calm.usual
    assert calm.peak(DOWN + 30, UP) <= 1.5 * calm.usual
    assert calm.peak(UP, END) <= 1.5 * calm.usual


def test_probes_are_spread(calm: Run) -> None:
    """In no second does more than one client in twelve probe, and none probes twice in it."""
    assert peak(moment for moment, _ in calm.probes) <= CLIENTS / 12
    assert max(Counter((int(moment), name) for moment, name in calm.probes).values()) == 1
    assert statistics.fmean(moment < UP for moment, _ in calm.probes) > 0.3  # the outage was probed, too


def test_the_same_without_budget_and_breaker_is_a_storm(calm: Run, storm: Run) -> None:
    """The control: each call that fails is made four times over, and none of them waits for the upstream."""
    assert len(storm.sent_at) > 1.5 * sum(storm.calls.values())
    assert storm.sent(DOWN, UP) * 4 > 2.5 * calm.sent(DOWN, UP)
    assert storm.sent(DOWN + 30, UP) / (UP - DOWN - 30) > 2 * storm.usual
    assert storm.peak(UP, END) > 2 * storm.usual


def test_the_same_seed_is_the_same_run() -> None:
    """To the last digit of the times; another seed is another."""
    one, two, other = (simulate(protected, seed, clients=30) for seed in (7, 7, 8))
    assert (one.sent_at, one.ends, one.sent_by) == (two.sent_at, two.ends, two.sent_by)
    assert other.sent_at != one.sent_at
