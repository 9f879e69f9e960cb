"""What the breaker costs: ``python tests/benchmarks/bench_circuit_breaker.py``.

Machines differ, so each figure is also given as a multiple of a bare function call, measured in the same run.
"""

import contextlib
import random
import timeit
from collections import deque
from collections.abc import Callable
from typing import Any

from unbroken import Call, CircuitOpenError, Client, Dialect, Outcome, Request, Response, SystemClock
from unbroken.testing import FakeClock, ScriptedTransport
from unbroken_circuit_breaker import CircuitBreaker, CircuitBreakerConfig, Window
from unbroken_circuit_breaker._circuit import Circuit
from unbroken_circuit_breaker._values import SUCCESS, CircuitState

ROUNDS, TIMES = 15, 5_000


def bare(now: float) -> float:
    """The yardstick."""
    return now


def machine(**values: Any) -> Callable[[], None]:
    """Admit and record, which is all that is done under the lock."""
    circuit = Circuit("key", CircuitBreakerConfig(**values), deque(), 0.0)

    def once() -> None:
        circuit.record(circuit.admit(1.0), SUCCESS, 2.0, random.random)

    return once


def refusing() -> Callable[[], None]:
    """Admit, when the answer is no."""
    circuit = Circuit("key", CircuitBreakerConfig(), deque(), 0.0, CircuitState.FORCED_OPEN)

    def once() -> None:
        circuit.admit(1.0)

    return once


def hooks(**values: Any) -> Callable[[], None]:
    """The three hooks of a call as the engine calls them: with key, clock, lock and the state of the call."""
    breaker = CircuitBreaker(**values)
    call = Call("call", Request.build("POST", "https://api.example.org/"), Dialect(), SystemClock(), 0.0)
    call.response = Response(status_code=200)
    outcome = Outcome(status="success", attempts=1, duration=0.0)
    request, event = call.request, None

    def once() -> None:
        breaker.before_request(call, request)
        breaker.on_commit(call, event)
        breaker.after_request(call, outcome)

    return once


def refused_call() -> Callable[[], None]:
    """A whole call of a client, refused by an open circuit (FAULTS 59: in under 1 ms, without the network)."""
    client = Client([CircuitBreaker(initial_state="forced_open")], transport=ScriptedTransport([], FakeClock()))

    def once() -> None:
        with contextlib.suppress(CircuitOpenError), client.stream("GET", "https://api.example.org/"):
            pass

    return once


COUNT, TIME = Window(kind="count", size=100), Window(kind="time", size=60)
CASES: dict[str, Callable[[], Any]] = {
    "a bare function call": lambda: bare(1.0),
    "admit + record, failures in a row": machine(),
    "admit + record, window by count": machine(window=COUNT),
    "admit + record, window by time": machine(window=TIME),
    "admit, refused": refusing(),
    "the three hooks, failures in a row": hooks(),
    "the three hooks, window by time": hooks(window=TIME, slow_call=5.0),
    "a whole call, refused": refused_call(),
}


def main() -> None:
    """Measure in turns, so that a busy moment of the machine hits all alike; keep the best of each."""
    best = dict.fromkeys(CASES, float("inf"))
    for _ in range(ROUNDS):
        for name, case in CASES.items():
            best[name] = min(best[name], timeit.timeit(case, number=TIMES) / TIMES)
    unit = best["a bare function call"]
    for name, seconds in best.items():
        print(f"{name:<38}{seconds * 1e6:8.3f} µs {seconds / unit:8.1f} times")


if __name__ == "__main__":
    main()
