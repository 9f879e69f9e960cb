"""What the engine adds to an event and to a call: ``python tests/benchmarks/bench_engine.py``.

Absolute times say nothing on a busy machine. Every figure stands beside others of the same run, and beside a bare call.
"""

import time
from collections.abc import Callable

from unbroken import Client, Plugin
from unbroken.sse import SSEDecoder
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse
from unbroken_anthropic import Anthropic
from unbroken_retry import Retry
from unbroken_timeout import Timeout

EVENTS = 20_000
CALLS = 2_000
DELTA = (
    "content_block_delta",
    '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some words of an answer"}}',
)
STOP = ("message_stop", '{"type":"message_stop"}')
LONG = sse(*[DELTA] * EVENTS, STOP)
CHUNKS = [LONG[start : start + 65536] for start in range(0, len(LONG), 65536)]
SHORT = sse(DELTA, STOP)


class Watching(Plugin):
    """Looks at every event."""

    name = "watching"

    def on_event(self, call, event):
        return None


def best(function: Callable[[], object], per: int, rounds: int = 7) -> float:
    """Return the best time of one of `per` in microseconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times) / per * 1e6


def bare() -> None:
    """A function call per event."""

    def nothing() -> None:
        return None

    for _ in range(EVENTS):
        nothing()


def decode() -> None:
    """The decoder alone."""
    decoder = SSEDecoder()
    for chunk in CHUNKS:
        for _ in decoder.feed(chunk):
            pass


def stream(plugins: list[object], body: list[bytes], calls: int = 1) -> None:
    """Whole calls through the blocking client."""
    clock = FakeClock()
    transport = ScriptedTransport(lambda _: Answer(body=body), clock)
    with Client(plugins, transport=transport, clock=clock, dialect=Anthropic()) as client:
        for _ in range(calls):
            with client.stream("POST", "https://api.example.org/", content=b"{}") as events:
                for _ in events:
                    pass


def astream(body: list[bytes]) -> None:
    """A whole call through the awaiting client."""
    from unbroken import AsyncClient

    clock = FakeClock()
    client = AsyncClient(
        [], transport=AsyncScriptedTransport([Answer(body=body)], clock), clock=clock, dialect=Anthropic()
    )

    async def main() -> None:
        async with client.stream("POST", "https://api.example.org/", content=b"{}") as events:
            async for _ in events:
                pass

    run(main, clock=clock)


def main() -> None:
    """Print the figures."""
    per_event = {
        "a bare function call": best(bare, EVENTS),
        "decoder alone": best(decode, EVENTS),
        "blocking client, no plugin": best(lambda: stream([], CHUNKS), EVENTS),
        "awaiting client, no plugin": best(lambda: astream(CHUNKS), EVENTS),
        "blocking client, timeout and retry": best(lambda: stream([Timeout(), Retry()], CHUNKS), EVENTS),
        "blocking client, one plugin on every event": best(lambda: stream([Watching()], CHUNKS), EVENTS),
    }
    per_call = {
        "blocking client, no plugin": best(lambda: stream([], [SHORT], CALLS), CALLS),
        "blocking client, timeout": best(lambda: stream([Timeout()], [SHORT], CALLS), CALLS),
        "blocking client, timeout and retry": best(lambda: stream([Timeout(), Retry()], [SHORT], CALLS), CALLS),
    }
    for title, figures in (("event", per_event), ("call", per_call)):
        print(f"microseconds per {title}")
        for name, figure in figures.items():
            print(f"  {figure:8.3f}  {name}")


if __name__ == "__main__":
    main()
