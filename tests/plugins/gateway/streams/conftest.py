"""The stores, each behind one interface: opened by any number of workers, with a time that the test moves."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from unbroken.testing import FakeClock
from unbroken_gateway.config.settings import Resume
from unbroken_gateway.streams import StreamLog
from unbroken_gateway.streams.opening import open_log

from ....redis_server import RedisServer

PATIENT = 60.0
"""The deadline of an operation in tests that are not about it: a loaded machine fails none."""
KEY = base64.b64encode(bytes(range(32))).decode()


class Store:
    """A kind of store and its time."""

    def __init__(self, kind: str, place: Path, server: RedisServer | None) -> None:
        self.kind = kind
        self.place = place
        self.server = server
        self.clock = FakeClock()
        self.url = server.url if server else "memory" if kind == "memory" else f"sqlite:{place}/gateway.db"
        self.max_bytes = 4_000_000
        self.encryption_key: str | None = None
        self._opened: list[StreamLog] = []

    def open(self) -> StreamLog:
        """Return the log of one more worker. All workers share the one in memory."""
        if self.kind == "memory" and self._opened:
            return self._opened[0]
        settings = Resume(max_bytes=self.max_bytes, encryption_key=self.encryption_key)
        self._opened.append(open_log(self.url, settings, clock=self.clock, deadline=PATIENT))
        return self._opened[-1]

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass for the store: in Redis by moving the ends of all that ends."""
        self.clock.advance(seconds)
        if self.server is not None:
            await pass_time(self.server.url, seconds)

    async def aclose(self) -> None:
        """Close all logs, and empty the Redis server, which other tests use."""
        for log in self._opened:
            await log.aclose()
        self._opened.clear()
        if self.server is not None:
            async with redis.asyncio.from_url(self.server.url, protocol=2) as client:
                await client.flushall()

    def run(self, test: Callable[[], Awaitable[Any]]) -> Any:
        """Run a coroutine function in real time, then close the store."""

        async def whole() -> Any:
            try:
                return await test()
            finally:
                await self.aclose()

        return asyncio.run(whole())


async def pass_time(url: str, seconds: float) -> None:
    async with redis.asyncio.from_url(url, protocol=2) as client:
        async for key in client.scan_iter(match="unbroken:*"):
            left = await client.pttl(key)
            if left >= 0:
                await client.pexpire(key, int(left - seconds * 1000))  # in the past: removed
        async for key in client.scan_iter(match="unbroken:*:readers"):
            for name, until in await client.zrange(key, 0, -1, withscores=True):
                await client.zadd(key, {name: until - seconds * 1000})


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each store in turn."""
    server = request.getfixturevalue("redis_server") if request.param == "redis" else None
    return Store(request.param, tmp_path, server)
