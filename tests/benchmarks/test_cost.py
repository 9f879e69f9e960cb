"""What a stream costs, against raw httpx in the same run and never in seconds; the limits are wide.

Each contestant is a process of its own, as in ``python -m tests.benchmarks.harness``, where the figures come from: in
this one coverage may trace the library, and httpx never.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .harness.payloads import expected
from .harness.processes import Server, Worker

ROUNDS = 6
EVENTS, REQUESTS = 1_600, 15


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The replay server."""
    with Server(pin=False) as found:
        yield found


@pytest.fixture(scope="module", params=["sync", "asyncio"])
def worker(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Worker]]:
    """Return the process of a contestant; each is started once."""
    with contextlib.ExitStack() as stack:
        started: dict[str, Worker] = {}

        def get(name: str) -> Worker:
            if name not in started:
                started[name] = stack.enter_context(Worker(Path(sys.executable), name, request.param, pin=False))
            return started[name]

        yield get


@pytest.fixture
def ratio(server: Server, worker: Callable[[str], Worker]) -> Callable[..., float]:
    """Return the CPU time of one contestant, divided by that of another.

    They take turns, and of each the cheapest round counts: what else goes on in the machine adds to the time of a
    round, fourteen-fold at times, and never takes from it.
    """

    def measure(name: str, other: str, path: str, events: int, times: int) -> float:
        wanted = [expected("anthropic", events)]

        def cost(each: str) -> float:
            found = worker(each).ask("pull", base=server.url + path, times=times)
            assert found["proofs"] == wanted
            return float(found["cpu"])

        rounds = [(cost(name), cost(other)) for _ in range(ROUNDS)]
        return min(each for each, _ in rounds) / min(each for _, each in rounds)

    return measure


@pytest.mark.parametrize("per_write", [64, EVENTS])
def test_an_event_costs_half_of_what_raw_httpx_takes_for_it(ratio: Callable[..., float], per_write: int) -> None:
    """Decoded, classified and delivered, against the bytes alone. Measured: a quarter.

    With less per write the scheduler decides how much there is at each read, and the ratio is that of its mood.
    """
    assert ratio("Unbroken events", "httpx raw", f"/burst/{EVENTS}/{per_write}", EVENTS, 1) <= 0.5


def test_the_text_of_an_event_costs_at_most_twice_as_much_as_the_event(ratio: Callable[..., float]) -> None:
    """`text()` against the events alone."""
    assert ratio("Unbroken text()", "Unbroken events", f"/burst/{EVENTS}/64", EVENTS, 1) <= 2


def test_a_request_costs_less_than_with_raw_httpx(ratio: Callable[..., float]) -> None:
    """A call with an engine around it, on a connection that is used again. Measured: a quarter to a half."""
    assert ratio("Unbroken events", "httpx raw", "/burst/10/10", 10, REQUESTS) <= 0.9
