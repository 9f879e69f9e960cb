"""One contestant: ``python -m harness.worker NAME BACKEND``. A line of JSON asks, a line of JSON answers.

Clients are made and warmed before the time is taken, and the text is put together after it. `cpu` is the time of this
process in user and system mode; `waits` is how often it had to wait, so about one for each event that came alone.
"""

import asyncio
import gc
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from .contestants import load
from .payloads import proof, text_of

OPENING_AT_A_TIME = 64


class Watch:
    """Takes the time."""

    def __init__(self) -> None:
        gc.collect()
        self._began = self._now()

    @staticmethod
    def _now() -> tuple[float, float, int]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime, time.perf_counter(), usage.ru_nvcsw

    def stop(self) -> dict[str, float]:
        now = self._now()
        return {name: now[at] - self._began[at] for at, name in enumerate(("cpu", "wall", "waits"))}


def proofs(kind: str, answers: list[Any]) -> list[list[int]]:
    """Return the proofs that differ: one, when all is well."""
    return [list(each) for each in {tuple(proof(text_of(kind, pieces))) for pieces in answers}]


def resident() -> int:
    """Return the bytes of memory of this process, where the system says so."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Sync:
    """What a sync contestant is asked."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def answer(self, do: str, options: dict[str, Any]) -> dict[str, Any]:
        client = self._make(options.pop("base"), options.pop("authority", None))
        try:
            return {"pull": self.pull, "crowd": self.crowd}[do](client, **options)
        finally:
            client.close()

    def pull(self, client: Any, times: int) -> dict[str, Any]:
        """Make one request after the other."""
        client.pull()
        watch = Watch()
        answers = [client.pull() for _ in range(times)]
        return {**watch.stop(), "proofs": proofs(client.kind, answers)}

    def crowd(self, client: Any, many: int, times: int) -> dict[str, Any]:
        """Make requests from many threads."""
        answers: list[Any] = []

        def work() -> None:
            answers.extend([client.pull() for _ in range(times)])

        watch = Watch()
        threads = [threading.Thread(target=work) for _ in range(many)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        result = watch.stop()
        assert len(answers) == many * times
        return {**result, "proofs": proofs(client.kind, answers)}


class Async:
    """What an async contestant is asked."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._runner = asyncio.Runner()

    def answer(self, do: str, options: dict[str, Any]) -> dict[str, Any]:
        return self._runner.run(self._answer(do, options))

    async def _answer(self, do: str, options: dict[str, Any]) -> dict[str, Any]:
        client = self._make(options.pop("base"), options.pop("authority", None))
        try:
            return await {"pull": self.pull, "crowd": self.crowd, "fleet": self.fleet}[do](client, **options)
        finally:
            await client.close()

    async def pull(self, client: Any, times: int) -> dict[str, Any]:
        """Make one request after the other."""
        await client.pull()
        watch = Watch()
        answers = [await client.pull() for _ in range(times)]
        return {**watch.stop(), "proofs": proofs(client.kind, answers)}

    async def crowd(self, client: Any, many: int, times: int) -> dict[str, Any]:
        """Make requests from many tasks."""

        async def work() -> list[Any]:
            return [await client.pull() for _ in range(times)]

        watch = Watch()
        answers = await asyncio.gather(*(work() for _ in range(many)))
        return {**watch.stop(), "proofs": proofs(client.kind, [each for some in answers for each in some])}

    async def fleet(self, client: Any, many: int) -> dict[str, Any]:
        """Open many streams, say so, and read them all once the server was told to go."""
        opening = asyncio.Semaphore(OPENING_AT_A_TIME)
        count, all_open, go = 0, asyncio.Event(), asyncio.Event()

        async def opened() -> None:
            nonlocal count
            opening.release()
            count += 1
            if count == many:
                all_open.set()
            await go.wait()

        async def work() -> Any:
            await opening.acquire()
            return await client.pull(opened)

        size = resident()
        watch = Watch()
        reading = asyncio.gather(*(work() for _ in range(many)))
        await _first(all_open.wait(), reading)
        result: dict[str, Any] = {f"opening_{name}": value for name, value in watch.stop().items()}
        result["memory"] = resident() - size
        tell(result)
        sys.stdin.readline()
        watch = Watch()
        go.set()
        answers = await reading
        return {**watch.stop(), "proofs": proofs(client.kind, answers)}


async def _first(waited_for: Awaitable[Any], other: Awaitable[Any]) -> None:
    """Wait for the first, and raise what ends the other before that."""
    waiting = asyncio.ensure_future(waited_for)
    await asyncio.wait({waiting, asyncio.ensure_future(other)}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        await other


# A contestant may print what it likes: the answers have a descriptor of their own.
_answers = os.fdopen(os.dup(1), "w")


def tell(result: dict[str, Any]) -> None:
    print(json.dumps(result), file=_answers, flush=True)


def main() -> None:
    os.dup2(2, 1)
    name, backend = sys.argv[1:]
    make = load(name, backend)
    worker = {"sync": Sync, "asyncio": Async}[backend](make)
    tell({"ready": name})
    for line in sys.stdin:
        options = json.loads(line)
        try:
            tell(worker.answer(options.pop("do"), options))
        except Exception as error:
            tell({"error": f"{type(error).__name__}: {error}"[:400]})


if __name__ == "__main__":
    main()
