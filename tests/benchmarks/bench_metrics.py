"""What counting adds: ``python tests/benchmarks/bench_metrics.py``.

The target is 5 µs for a call and 0.05 µs for a content event, on the kind of machine where a bare function call takes
some 40 ns. Adding up is included: a round has as many calls as are added up in one go. On a busy machine a figure of
its own says nothing: each round measures all cases in turns, and forwards and backwards in turns; a cost is the median
of the differences to the bare engine within a round. Between the calls of an engine the caches grow cold, so the hooks
are measured by themselves, too: what they cost at best.
"""

import gc
import time
from collections.abc import Callable
from statistics import median, quantiles

import msgspec

from unbroken import Call, Client, Outcome, Request, Response, Usage
from unbroken.testing import Answer, FakeClock, ScriptedTransport, sse
from unbroken_anthropic import Anthropic
from unbroken_metrics import Metrics

ROUNDS, CALLS, EVENTS = 201, 128, 2000
DELTA = ("content_block_delta", '{"type":"content_block_delta","delta":{"type":"text_delta","text":"some words"}}')
STOP = ("message_stop", '{"type":"message_stop"}')
USAGE = (
    "message_start",
    '{"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":1}}}',
)
SHORT = sse(USAGE, DELTA, STOP)
LONG = sse(USAGE, *[DELTA] * EVENTS, STOP)
PROMPT = [{"role": "user", "content": "some words " * 20}]
FIRST = msgspec.json.encode({"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": PROMPT})
LAST = msgspec.json.encode({"max_tokens": 64, "messages": PROMPT, "model": "claude-sonnet-4-5"})


def calls(plugins: list[object], body: bytes, content: bytes = FIRST, times: int = CALLS) -> Callable[[], None]:
    """Some whole calls of one client."""
    clock = FakeClock()
    transport = ScriptedTransport(lambda _: Answer(body=body), clock)
    client = Client(plugins, transport=transport, clock=clock, dialect=Anthropic())

    def some() -> None:
        for _ in range(times):
            with client.stream("POST", "https://api.example.org/", content=content) as events:
                for _ in events:
                    clock.advance(0.01)
        transport.requests.clear()
        transport.exchanges.clear()
        transport.sent_at.clear()

    return some


def hooks() -> Callable[[], None]:
    """The hooks of as many calls, and adding up, without the engine."""
    metrics, outcome = Metrics(), Outcome(status="success", attempts=1, duration=2.0)
    request = Request.build("POST", "https://api.example.org/", content=FIRST)
    call = Call("id", request, Anthropic(), FakeClock(), 1.0)
    call.committed_at, call.events, call.bytes, call.attempt = 1.5, 3, 300, 1
    call.usage, call.response = Usage(input_tokens=25, output_tokens=1), Response(status_code=200)

    def some() -> None:
        for _ in range(CALLS):
            metrics.before_request(call, request)
            metrics.after_request(call, outcome)
            metrics.on_finish(call, outcome)

    return some


def functions() -> None:
    """As many function calls: the yardstick."""

    def nothing() -> None:
        return None

    for _ in range(CALLS * 100):
        nothing()


def measured(case: Callable[[], object], times: int) -> float:
    """Return the microseconds of one of `times`."""
    started = time.thread_time()
    case()
    return (time.thread_time() - started) / times * 1e6


def main() -> None:
    """Print the figures."""
    unit = "a hundred bare function calls"
    bare, counted, scanned = "a call, bare", "a call, counted", "a call, counted, the model last in the body"
    alone = "the hooks of a call, by themselves"
    bare_event, counted_event = "an event, bare", "an event, counted"
    cases: dict[str, tuple[Callable[[], None], int]] = {
        unit: (functions, CALLS),
        bare: (calls([], SHORT), CALLS),
        counted: (calls([Metrics()], SHORT), CALLS),
        scanned: (calls([Metrics()], SHORT, LAST), CALLS),
        alone: (hooks(), CALLS),
        bare_event: (calls([], LONG, times=1), EVENTS),
        counted_event: (calls([Metrics()], LONG, times=1), EVENTS),
    }
    figures: dict[str, list[float]] = {name: [] for name in cases}
    gc.collect()
    gc.freeze()
    for number in range(ROUNDS):
        for name in list(cases)[:: 1 if number % 2 else -1]:
            figures[name].append(measured(*cases[name]))
    print(f"microseconds, medians of {ROUNDS} rounds")
    for name in (unit, bare, bare_event, alone):
        print(f"  {median(figures[name]):8.3f}  {name}")
    print("above the bare engine (first and third quartile)")
    for name, base in ((counted, bare), (scanned, bare), (counted_event, bare_event)):
        above = [it - its for it, its in zip(figures[name], figures[base], strict=True)]
        first, middle, third = quantiles(above, n=4)
        print(f"  {middle:8.3f}  ({first:7.3f} to {third:7.3f})  {name}")


if __name__ == "__main__":
    main()
