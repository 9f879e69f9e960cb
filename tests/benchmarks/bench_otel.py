"""What the OpenTelemetry plugins add to one call: ``python tests/benchmarks/bench_otel.py``.

The target is 5 µs for both plugins where no SDK is installed, and nothing for a content event. On a busy machine a
figure of its own says nothing: each round measures all cases in turns, and forwards and backwards in turns; a cost is
the median of the differences to the bare engine within a round. The garbage collector is off: it would run in each
round at the same place, and one case would pay for all.
"""

import gc
import time
from collections.abc import Callable
from statistics import median, quantiles

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from unbroken import Client, SystemClock
from unbroken.testing import Answer, ScriptedTransport, sse
from unbroken_anthropic import Anthropic
from unbroken_otel import OTelMetrics, OTelTracing

ROUNDS, CALLS = 301, 20
EVENTS = 500
DELTA = ("content_block_delta", '{"type":"content_block_delta","delta":{"type":"text_delta","text":"some words"}}')
STOP = ("message_stop", '{"type":"message_stop"}')
SHORT, LONG = sse(DELTA, STOP), sse(*[DELTA] * EVENTS, STOP)
CONTENT = b'{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"Hello"}]}'


def both(tracer_provider: object, meter_provider: object) -> list[object]:
    return [OTelTracing(tracer_provider=tracer_provider), OTelMetrics(meter_provider=meter_provider)]


def recording() -> list[object]:
    return both(TracerProvider(), MeterProvider([InMemoryMetricReader()]))


LISTS: dict[str, Callable[[], list[object]]] = {
    "tracing, no SDK": lambda: [OTelTracing()],
    "metrics, no SDK": lambda: [OTelMetrics()],
    "both, no SDK": lambda: both(None, None),
}
SDK: dict[str, Callable[[], list[object]]] = {
    "tracing, an SDK that samples nothing": lambda: [OTelTracing(tracer_provider=TracerProvider(sampler=ALWAYS_OFF))],
    "both, an SDK that records, no exporter": recording,
}


def calls(plugins: list[object], body: bytes, count: int = CALLS) -> Callable[[], None]:
    """Some whole calls of one client."""
    clock = SystemClock()
    transport = ScriptedTransport(lambda _: Answer(body=body), clock)
    client = Client(plugins, transport=transport, clock=clock, dialect=Anthropic())

    def some() -> None:
        for _ in range(count):
            with client.stream("POST", "https://api.example.org/v1/messages", content=CONTENT) as events:
                for _ in events:
                    pass
        transport.requests.clear()
        transport.exchanges.clear()
        transport.sent_at.clear()

    return some


def measured(case: Callable[[], object]) -> float:
    """Return the microseconds that `case` takes."""
    started = time.perf_counter()
    case()
    return (time.perf_counter() - started) * 1e6


def compared(cases: dict[str, Callable[[], None]], each: int) -> None:
    """Print what the cases take above the first, divided by `each`."""
    figures: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(ROUNDS):
        for name in list(cases)[:: 1 if number % 2 else -1]:
            figures[name].append(measured(cases[name]) / each)
    base, *others = cases
    print(f"  {median(figures[base]):8.3f}  {base}; above it (first and third quartile):")
    for name in others:
        above = [it - bare for it, bare in zip(figures[name], figures[base], strict=True)]
        first, middle, third = quantiles(above, n=4)
        print(f"  {middle:8.3f}  ({first:7.3f} to {third:7.3f})  {name}")


def main() -> None:
    """Print the figures."""
    bare = {"the bare engine": calls([], SHORT)}
    idle = bare | {name: calls(make(), SHORT) for name, make in LISTS.items()}
    busy = bare | {name: calls(make(), SHORT) for name, make in SDK.items()}
    long = {"the bare engine": calls([], LONG, 1), "both, no SDK": calls(both(None, None), LONG, 1)}
    gc.collect()
    gc.disable()
    print(f"microseconds per call, medians of {ROUNDS} rounds")
    compared(idle, CALLS)
    compared(busy, CALLS)
    print(f"microseconds per event of a call with {EVENTS} of them")
    compared(long, EVENTS)


if __name__ == "__main__":
    main()
