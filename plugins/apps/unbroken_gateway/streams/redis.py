"""The logs of several workers and machines, in one Redis server."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from . import DEADLINE, Fenced, LogUnavailable, Page, StreamState
from . import redis_scripts as scripts
from .redis_follower import Follower
from .redis_keys import client, keys, milliseconds
from .rules import FIRST_EPOCH
from .waking import Bells, hear

CONNECTIONS: Final = 16
"""The most connections of a worker for commands; a command waits for a free one within its deadline."""


class RedisLog:
    """A `StreamLog` in the Redis server at `url`, of all workers that use it. Its times are those of the server."""

    def __init__(self, url: str, max_bytes: int, deadline: float = DEADLINE) -> None:
        """Connect at the first operation. Raises ValueError for a bad URL."""
        from redis.exceptions import RedisError

        self._max_bytes = max_bytes
        self._deadline = deadline
        self._errors = (TimeoutError, OSError, RedisError)
        self._redis = client(url, CONNECTIONS)
        self._bells = Bells()
        self._follower = Follower(url, self._bells)
        self._own: set[str] = set()
        self._create = self._redis.register_script(scripts.CREATE)
        self._append = self._redis.register_script(scripts.APPEND)
        self._beat = self._redis.register_script(scripts.BEAT)
        self._read = self._redis.register_script(scripts.READ)
        self._shut = self._redis.register_script(scripts.CLOSE)
        self._attend = self._redis.register_script(scripts.ATTEND)
        self._advance = self._redis.register_script(scripts.ADVANCE)

    async def create(self, id: str, owner: str, ttl: float, lease: float) -> int:
        """Open a log of `owner` and return its epoch. Raises Fenced if there is one with this `id`."""
        times = milliseconds(ttl), milliseconds(lease)
        if not await self._run(self._create, id, owner, *times, self._max_bytes):
            raise Fenced
        self._own.add(id)
        return FIRST_EPOCH

    async def append(
        self, id: str, epoch: int, seq: int, frames: Sequence[bytes], end: StreamState | None = None
    ) -> int:
        """Append frames, renew the lease, and with `end` close the log. Raises Fenced and ValueError."""
        last = await self._run(self._append, id, epoch, seq, end or "", *frames)
        if end is not None or last == b"FENCED":
            self._own.discard(id)
        self._bells.ring(id)
        if isinstance(last, int):
            return last
        if last == b"FENCED":
            raise Fenced
        raise ValueError(f"frame {last[4:].decode()} is next, not {seq}")

    async def beat(self, id: str, epoch: int) -> bool:
        """Renew the lease. Returns False when the log is not open or is another writer's."""
        alive = bool(await self._run(self._beat, id, epoch))
        if not alive:
            self._own.discard(id)
            self._bells.ring(id)
        return alive

    async def read(self, id: str, after: int, limit: int = 256) -> Page | None:
        """Return the frames after number `after`, at most `limit`; None for an unknown log."""
        found = await self._run(self._read, id, after, limit)
        if not found:
            return None
        owner, state, first, last, lease, readers, frames = found
        return Page(
            frames=tuple(frames),
            first=first,
            last=last,
            state=state.decode(),
            owner=owner.decode(),
            lease=bool(lease),
            readers=readers,
        )

    async def wait(self, id: str, after: int, seconds: float) -> None:
        """Return when there may be frames after `after` or a new state, at the latest after `seconds`.

        What this worker writes wakes its tasks without Redis. That another worker has closed a log of this one is
        noticed by the next beat.
        """
        with self._bells.listening(id) as news:
            page = await self.read(id, after, 0)
            if page is not None and page.state == "open" and page.last <= after:
                if id not in self._own:
                    async with self._bounded():
                        await self._follower.follow(id, after, self._redis)
                await hear(news, seconds)

    async def bury(self, id: str, frame: bytes) -> int | None:
        """Close an open log without a lease: raise the epoch, append `frame`, state ``error``. None if it is not so."""
        return await self._close(id, frame, "error")

    async def cancel(self, id: str, frame: bytes) -> bool:
        """Close an open log at its reader's wish: raise the epoch, append `frame`, state ``cancelled``."""
        return await self._close(id, frame, "cancelled") is not None

    async def attend(self, id: str, reader: str, seconds: float, limit: int | None = None) -> bool:
        """Count `reader` among the readers of a log for `seconds`, if it is among the first `limit`."""
        most = "" if limit is None else limit
        return bool(await self._run(self._attend, id, reader, milliseconds(seconds), most))

    async def advance(self, id: str, mark: str, to: int) -> int:
        """Move a named mark of a log forward to `to`, never back. Returns where it stands."""
        place: int = await self._run(self._advance, id, mark, to)
        return place

    async def delete(self, id: str) -> None:
        """Remove a log and its content."""
        async with self._bounded():
            await self._redis.delete(*keys(id))
        self._own.discard(id)
        self._bells.ring(id)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._follower.aclose()
        with contextlib.suppress(LogUnavailable):
            async with self._bounded():
                await self._redis.aclose()

    async def _close(self, id: str, frame: bytes, state: StreamState) -> int | None:
        last: int = await self._run(self._shut, id, state, frame)
        self._bells.ring(id)
        return last or None

    async def _run(self, script: Any, id: str, *arguments: Any) -> Any:
        async with self._bounded():
            return await script(keys=keys(id), args=arguments)

    @contextlib.asynccontextmanager
    async def _bounded(self) -> AsyncGenerator[None, None]:
        try:
            async with asyncio.timeout(self._deadline):
                yield
        except self._errors:
            raise LogUnavailable("Redis did not answer") from None
