"""What the built-in policies add to one call: ``python tests/benchmarks/bench_policies.py``.

The target is 15 µs above the bare engine, on the kind of machine where a bare function call takes some 40 ns. On a busy
machine a figure of its own says nothing: each round measures all cases in turns, and forwards and backwards in turns,
with the garbage collector off. A cost is given twice: in the quietest tenth of the rounds, and as the median of the
differences to the bare engine within a round.
"""

import gc
import time
from collections.abc import Callable
from statistics import median, quantiles

from unbroken import Client, SystemClock
from unbroken.testing import Answer, FakeClock, ScriptedTransport, sse
from unbroken_anthropic import Anthropic
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_fallback import Fallback, Target
from unbroken_logging import Logging
from unbroken_metrics import Metrics
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_timeout import Timeout

ROUNDS, CALLS = 301, 20
DELTA = ("content_block_delta", '{"type":"content_block_delta","delta":{"type":"text_delta","text":"some words"}}')
BODY = sse(DELTA, ("message_stop", '{"type":"message_stop"}'))

ELSEWHERE = [Target(url="https://eu.example.org", keys=[{"x-api-key": "a"}, {"x-api-key": "b"}])]

LISTS: dict[str, Callable[[], list[object]]] = {
    "timeout": lambda: [Timeout()],
    "retry": lambda: [Retry()],
    "fallback": lambda: [Fallback(targets=ELSEWHERE)],
    "fallback, retry": lambda: [Fallback(targets=ELSEWHERE), Retry()],
    "circuit-breaker": lambda: [CircuitBreaker()],
    "rate-limit, no limits": lambda: [RateLimit()],
    "rate-limit, requests": lambda: [RateLimit(requests=1e9)],
    "logging, WARNING": lambda: [Logging(level="WARNING")],
    "the default list": lambda: [Timeout(), Retry(), CircuitBreaker(), RateLimit()],
    "the default list, logging": lambda: [
        Logging(level="WARNING"),
        Timeout(),
        Retry(),
        CircuitBreaker(),
        RateLimit(),
    ],
    "metrics": lambda: [Metrics()],
    "all six: the default list, logging, metrics": lambda: [
        Metrics(),
        Logging(level="WARNING"),
        Timeout(),
        Retry(),
        CircuitBreaker(),
        RateLimit(),
    ],
    "the same, requests limited": lambda: [
        Metrics(),
        Logging(level="WARNING"),
        Timeout(),
        Retry(),
        CircuitBreaker(),
        RateLimit(requests=1e9),
    ],
}


def calls(plugins: list[object]) -> Callable[[], None]:
    """Some whole calls of one client: an event and the end."""
    transport = ScriptedTransport(lambda _: Answer(body=BODY), FakeClock(start=0.0))
    client = Client(plugins, transport=transport, clock=SystemClock(), dialect=Anthropic())

    def some() -> None:
        for _ in range(CALLS):
            with client.stream("POST", "https://api.example.org/", content=b"{}") as events:
                for _ in events:
                    pass
        transport.requests.clear()
        transport.exchanges.clear()
        transport.sent_at.clear()

    return some


def functions() -> None:
    """As many function calls: the yardstick."""

    def nothing() -> None:
        return None

    for _ in range(CALLS * 100):
        nothing()


def measured(case: Callable[[], object]) -> float:
    """Return the microseconds of one of its calls."""
    started = time.perf_counter()
    case()
    return (time.perf_counter() - started) / CALLS * 1e6


def main() -> None:
    """Print the figures."""
    bare, unit = "the bare engine", "a hundred bare function calls"
    cases: dict[str, Callable[[], None]] = {unit: functions, bare: calls([])}
    cases |= {name: calls(plugins()) for name, plugins in LISTS.items()}
    figures: dict[str, list[float]] = {name: [] for name in cases}
    gc.collect()
    gc.freeze()
    gc.disable()
    for number in range(ROUNDS):
        for name in list(cases)[:: 1 if number % 2 else -1]:
            figures[name].append(measured(cases[name]))
    print(f"microseconds per call, {ROUNDS} rounds: quietest tenth, median")
    for name in (unit, bare):
        print(f"  {quiet(figures[name]):8.2f}  {median(figures[name]):8.2f}  {name}")
    print("above the bare engine: quietest tenth, median of the differences (first and third quartile)")
    for name in LISTS:
        above = [it - base for it, base in zip(figures[name], figures[bare], strict=True)]
        first, middle, third = quantiles(above, n=4)
        least = quiet(figures[name]) - quiet(figures[bare])
        print(f"  {least:8.2f}  {middle:8.2f}  ({first:6.2f} to {third:6.2f})  {name}")


def quiet(times: list[float]) -> float:
    """Return the first decile: what a case takes when nothing else goes on."""
    return quantiles(times, n=10)[0]


if __name__ == "__main__":
    main()
