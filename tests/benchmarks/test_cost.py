"""What a stream costs, against raw httpx in the same run and never in seconds; the limits are wide.

The figures themselves come from ``python -m tests.benchmarks.harness``.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .harness.contestants import load
from .harness.payloads import expected, proof, text_of
from .harness.processes import Server

ROUNDS = 7
EVENTS, REQUESTS = 1_600, 15

Ask = Callable[[], list[list[Any]]]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The replay server, a process of its own."""
    with Server(pin=False) as found:
        yield found


@pytest.fixture(params=["sync", "asyncio"])
def ratio(request: pytest.FixtureRequest, server: Server) -> Iterator[Callable[..., float]]:
    """Return the CPU time of one contestant, divided by that of another.

    They take turns, and of each the cheapest round counts: what else goes on in the machine adds to the time of a
    round, fourteen-fold at times, and never takes from it.
    """
    with asyncio.Runner() as runner:

        def asker(name: str, path: str, events: int, times: int) -> tuple[Callable[[], float], Callable[[], object]]:
            client = load(name, request.param)(server.url + path, None)

            async def pulls() -> list[Any]:
                return [await client.pull() for _ in range(times)]

            def ask() -> float:
                began = time.process_time()
                answers = [client.pull() for _ in range(times)] if request.param == "sync" else runner.run(pulls())
                spent = time.process_time() - began
                assert {tuple(proof(text_of(client.kind, it))) for it in answers} == {
                    tuple(expected("anthropic", events))
                }
                return spent

            return ask, client.close if request.param == "sync" else lambda: runner.run(client.close())

        def measure(name: str, other: str, path: str, events: int, times: int) -> float:
            (one, close_one), (two, close_two) = (asker(each, path, events, times) for each in (name, other))
            rounds = [(one(), two()) for _ in range(ROUNDS + 1)][1:]
            close_one()
            close_two()
            return min(each for each, _ in rounds) / min(each for _, each in rounds)

        yield measure


@pytest.mark.parametrize("per_write", [64, EVENTS])
def test_an_event_costs_half_of_what_raw_httpx_takes_for_it(ratio: Callable[..., float], per_write: int) -> None:
    """Decoded, classified and delivered, against the bytes alone.

    With less per write the scheduler decides how much there is at each read, and the ratio is that of its mood.
    """
    assert ratio("Unbroken events", "httpx raw", f"/burst/{EVENTS}/{per_write}", EVENTS, 1) <= 0.5


def test_the_text_of_an_event_costs_no_more_than_the_event(ratio: Callable[..., float]) -> None:
    """`text()` is at most twice as much as the events alone."""
    assert ratio("Unbroken text()", "Unbroken events", f"/burst/{EVENTS}/64", EVENTS, 1) <= 2


def test_a_request_costs_less_than_with_raw_httpx(ratio: Callable[..., float]) -> None:
    """A call with an engine around it, on a connection that is used again."""
    assert ratio("Unbroken events", "httpx raw", "/burst/10/10", 10, REQUESTS) <= 0.7
