"""Readers whose connection is cut at seeded places, between and inside events, and who come back to another worker."""

import asyncio
import itertools
import os
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

from unbroken_gateway.config.settings import Resume
from unbroken_gateway.streams import StreamLog
from unbroken_gateway.streams.cursors import Kind, Refusal, parse_cursor
from unbroken_gateway.streams.live import Streams
from unbroken_gateway.streams.writing import Writer

CUTS = int(os.environ.get("UNBROKEN_RESUME_CUTS", "200"))
"""In each store. `nox -s cuts` makes 10 000 of them."""
CUTS_OF_A_STREAM = 10
AT_ONCE = 20
HANG_SECONDS = 600
"""A run that takes longer hangs."""
EVENT = re.compile(rb"(?:: keepalive\n)*id: (\S+)\ndata: (\d+|end)\n\n")
OWNER = "issuer|alice"


def frame_of(form: str, kind: Kind) -> bytes:
    return f"event: error\ndata: {form} {kind}\n\n".encode()


def streams(log: StreamLog, failures: list[Any] | None = None, **settings: Any) -> Streams:
    kept = [] if failures is None else failures
    settings = {"lease": 60.0, "grace": 600.0, **settings}
    extra = {name: settings.pop(name) for name in ("batch", "clock") if name in settings}
    return Streams(log, Resume(**settings), frame_of, on_failure=lambda *what: kept.append(what), **extra)


class Cut(OSError):
    """The connection is gone."""


class Client:
    """Keeps what it got of whole events, and its cursor."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.got: list[bytes] = []
        self._rest = b""

    def connect(
        self, most: int | None, sends: int | None = None, cancel: Callable[[], object] = print
    ) -> Callable[[bytes, bool], Awaitable[None]]:
        """Return a `send` of a new connection, which is cut after `most` bytes or cancelled after so many sends."""
        self._rest, left = b"", most

        async def send(data: bytes, more: bool) -> None:
            nonlocal left, sends
            part = data if left is None else data[:left]
            self._take(part)
            if left is not None:
                left -= len(part)
                if left <= 0:
                    raise Cut
            if sends is not None:
                sends -= 1
                if sends == 0:
                    cancel()
            await asyncio.sleep(0)

        return send

    def _take(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(b"\n\n")) >= 0:
            event, self._rest = self._rest[: end + 2], self._rest[end + 2 :]
            match = EVENT.fullmatch(event)
            assert match is not None, event
            self.cursor = match[1].decode()
            self.got.append(match[2])


def producer(count: int, chance: random.Random) -> Callable[[Writer], Awaitable[None]]:
    """Write `count` events in reads of one to five, with pauses in which readers catch up."""

    async def produce(writer: Writer) -> None:
        number = 0
        while number < count:
            some = min(chance.randint(1, 5), count - number)
            await writer.write([b"data: %d\n\n" % each for each in range(number + 1, number + some + 1)])
            number += some
            await asyncio.sleep(chance.choice((0, 0, 0.001)))
        await writer.write([b"data: end\n\n"], "done")

    return produce


async def one_reading(worker: Streams, id: str, client: Client, kind: str, chance: random.Random) -> object:
    """Connect with the cursor, be cut, and return how it ended."""
    place = parse_cursor(id, client.cursor)
    assert isinstance(place, int)
    most = chance.randint(0, 150) if kind == "bytes" else None
    sends = chance.randint(1, 3) if kind == "sent" else None
    serving: asyncio.Future[object]
    send = client.connect(most, sends, lambda: serving.cancel())
    serving = asyncio.ensure_future(worker.serve(id, OWNER, place, send, keepalive=0.005))
    if kind == "turns":
        for _ in range(chance.randint(0, 100)):
            await asyncio.sleep(0)
        serving.cancel()
    (answer,) = await asyncio.gather(serving, return_exceptions=True)
    return answer


async def read_with_cuts(workers: list[Streams], seed: int) -> int:
    """Start one stream, cut its reader again and again, and see that it got each event once and in order.

    Returns how many readings were cut.
    """
    chance = random.Random(seed)
    count = chance.randint(20, 60)
    id = await chance.choice(workers).start(OWNER, producer(count, chance))
    client, cuts = Client(), 0
    for turn in range(CUTS_OF_A_STREAM + 1):
        kind = "none" if turn == CUTS_OF_A_STREAM else chance.choice(("bytes", "bytes", "sent", "turns"))
        answer: object = Refusal.CROWDED
        while answer is Refusal.CROWDED:  # the readers before it are on their way out
            answer = await one_reading(chance.choice(workers), id, client, kind, chance)
        if client.got and client.got[-1] == b"end":
            assert answer is None or answer is Refusal.END or isinstance(answer, Cut | asyncio.CancelledError)
        else:
            assert isinstance(answer, Cut | asyncio.CancelledError), answer
        cuts += isinstance(answer, Cut | asyncio.CancelledError)
    assert client.got == [b"%d" % number for number in range(1, count + 1)] + [b"end"]
    return cuts


async def survive_cuts(logs: list[StreamLog], cuts: int, seed: int = 0) -> int:
    """Read so many streams that there are at least `cuts` cuts, over two workers. Returns how many there were."""
    workers = [streams(log) for log in logs]
    seeds = itertools.count(seed)
    done = 0

    async def one_after_another() -> None:
        nonlocal done
        while done < cuts:
            made = await read_with_cuts(workers, next(seeds))
            done += made

    async with asyncio.timeout(HANG_SECONDS):
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one_after_another())
        for worker in workers:
            await worker.aclose()
    return done
