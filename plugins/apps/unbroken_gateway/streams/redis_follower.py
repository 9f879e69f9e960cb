"""The one blocking reader of a worker. It follows all streams that tasks of the worker wait for."""

import asyncio
import secrets
from typing import Any, Final

from .redis_keys import client, log_key
from .waking import Bells

BLOCK: Final = 1.0
"""Seconds after which Redis answers in any case."""
REST: Final = 0.002
"""Seconds between two questions, so that one answer tells of many streams."""
RETRY: Final = 0.1
"""Seconds until it asks a lost Redis again."""
LINGER: Final = 1.0
"""Seconds that a stream is followed after the last wait: most readers come back at once."""
COUNT: Final = 64


class Follower:
    """Rings a bell of `bells` when Redis has a new entry of its stream.

    To follow one more stream while the reader blocks, the worker adds an entry to a stream of its own, the doorbell,
    which is always among those that it reads. Unlike CLIENT UNBLOCK this cannot come too early.
    """

    def __init__(self, url: str, bells: Bells) -> None:
        self._redis = client(url, 1)
        self._bells = bells
        self._doorbell = f"unbroken:doorbell:{secrets.token_hex(8)}"
        self._heard = "0-0"
        self._places: dict[str, tuple[int, int]] = {}
        self._awaited_at: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def follow(self, id: str, after: int, commands: Any) -> None:
        """Follow the stream `id` from now on; `commands` is a client that is free."""
        known = self._places.get(id)
        self._places[id] = max((after, 0), known or (0, 0))
        self._awaited_at[id] = asyncio.get_running_loop().time()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        elif known is None:
            async with commands.pipeline(transaction=False) as pipeline:
                pipeline.xadd(self._doorbell, {"": ""}, maxlen=1)
                pipeline.pexpire(self._doorbell, 60_000)
                await pipeline.execute()

    async def aclose(self) -> None:
        """End the reader and close its connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._redis.aclose()

    async def _run(self) -> None:
        from redis.exceptions import RedisError

        while True:
            self._forget()
            try:
                async with asyncio.timeout(BLOCK + 1):  # a Redis that is frozen or gone without a word
                    answer = await self._redis.xread(self._asked(), count=COUNT, block=int(BLOCK * 1000))
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(RETRY)
                continue
            self._tell({key.decode(): entries[-1][0].decode() for key, entries in answer})
            await asyncio.sleep(REST)

    def _asked(self) -> dict[str, str]:
        places = {log_key(id): f"{seq}-{mark}" for id, (seq, mark) in self._places.items()}
        return {self._doorbell: self._heard, **places}

    def _tell(self, newest: dict[str, str]) -> None:
        self._heard = newest.pop(self._doorbell, self._heard)
        by_key = {log_key(id): id for id in self._places}
        for key, entry in newest.items():
            seq, _, mark = entry.partition("-")
            id = by_key[key]
            self._places[id] = max(self._places[id], (int(seq), int(mark)))
            self._bells.ring(id)

    def _forget(self) -> None:
        now = asyncio.get_running_loop().time()
        for id in list(self._places):
            if self._bells.awaited(id):
                self._awaited_at[id] = now
            elif now - self._awaited_at[id] > LINGER:
                del self._places[id], self._awaited_at[id]
