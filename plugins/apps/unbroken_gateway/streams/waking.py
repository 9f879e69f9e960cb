"""Wakes the tasks of one worker that wait for news of a stream."""

import asyncio
import contextlib
from collections.abc import Generator


class Bells:
    """One bell per stream. A task that hears it looks at the log; a bell may ring without news."""

    def __init__(self) -> None:
        self._listening: dict[str, set[asyncio.Future[None]]] = {}

    def ring(self, id: str) -> None:
        """Wake all who listen for the stream `id`."""
        for each in self._listening.pop(id, ()):
            if not each.done():
                each.set_result(None)

    @contextlib.contextmanager
    def listening(self, id: str) -> Generator[asyncio.Future[None], None, None]:
        """Return what is done when the bell rings. Listen first, then look at the log: no news falls between."""
        news = asyncio.get_running_loop().create_future()
        self._listening.setdefault(id, set()).add(news)
        try:
            yield news
        finally:
            if others := self._listening.get(id):
                others.discard(news)
                if not others:
                    del self._listening[id]

    def awaited(self, id: str) -> bool:
        """Whether any task listens for the stream `id`."""
        return id in self._listening


async def hear(news: "asyncio.Future[None]", seconds: float) -> None:
    """Wait for `news`, at most `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news
