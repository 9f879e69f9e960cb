"""What decoding costs per event in each framing: ``python -m tests.benchmarks.bench_decoders``.

The contestants take turns in one process, and the best of their rounds is shown beside that of SSE: the ratios hold on
a busy machine where the microseconds do not. botocore decodes the same bytes as the reference of its format. Every
event has about 120 bytes of JSON. They arrive many at a time, in chunks of 64 KiB, and each in a chunk of its own.
"""

import time
from collections.abc import Callable
from typing import Any

from attrs import frozen
from botocore.eventstream import EventStreamBuffer
from rich.console import Console
from rich.table import Table

from unbroken import Event
from unbroken.eventstream import EventStreamDecoder
from unbroken.eventstream import encode as as_message
from unbroken.ndjson import NDJSONDecoder
from unbroken.ndjson import encode as as_line
from unbroken.sse import SSEDecoder
from unbroken.sse import encode as as_block

EVENTS = 20_000
ROUNDS = 15
CHUNK = 64 * 1024
DELTA = Event(
    "contentBlockDelta",
    b'{"contentBlockIndex":0,"delta":{"text":"some words of an answer"},"p":"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"}',
)


class Botocore:
    """The decoder of botocore; it copies all that it has for each message, so a large chunk is quadratic work."""

    def __init__(self) -> None:
        self.buffer = EventStreamBuffer()

    def feed(self, data: bytes) -> list[Any]:
        self.buffer.add_data(data)
        return list(self.buffer)


@frozen
class Contestant:
    """A decoder, and how its streams are written."""

    make: Callable[[], Any]
    encode: Callable[[Event], bytes]


CONTESTANTS = {
    "SSE": Contestant(SSEDecoder, as_block),
    "NDJSON": Contestant(NDJSONDecoder, as_line),
    "Amazon event stream": Contestant(EventStreamDecoder, as_message),
    "the same by botocore": Contestant(Botocore, as_message),
}


def many_at_a_time(contestant: Contestant) -> list[bytes]:
    body = contestant.encode(DELTA) * EVENTS
    return [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]


def one_at_a_time(contestant: Contestant) -> list[bytes]:
    return [contestant.encode(DELTA)] * EVENTS


def spent(make: Callable[[], Any], chunks: list[bytes]) -> float:
    """Return the CPU time of an event in microseconds; the decoder proves that it has decoded all of them."""
    decoder = make()
    count = 0
    began = time.process_time()
    for chunk in chunks:
        count += len(decoder.feed(chunk))
    used = time.process_time() - began
    assert count == EVENTS
    return used / EVENTS * 1e6


def show(title: str, cut: Callable[[Contestant], list[bytes]]) -> None:
    """Print the best of the rounds, and its ratio to the first contestant."""
    streams = {name: (contestant.make, cut(contestant)) for name, contestant in CONTESTANTS.items()}
    times: dict[str, list[float]] = {name: [] for name in streams}
    for _ in range(ROUNDS):
        for name, (make, chunks) in streams.items():
            times[name].append(spent(make, chunks))
    best = {name: min(each) for name, each in times.items()}
    table = Table("µs per event", "all", "of SSE", "bytes", title=title)
    for name, figure in best.items():
        size = len(CONTESTANTS[name].encode(DELTA))
        table.add_row(name, f"{figure:.2f}", f"{figure / best['SSE']:.2f}", f"{size}")
    Console().print(table)


def main() -> None:
    """Print the figures."""
    show("Chunks of 64 KiB", many_at_a_time)
    show("An event per chunk", one_at_a_time)


if __name__ == "__main__":
    main()
