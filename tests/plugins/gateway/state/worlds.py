"""The stores under one contract: each world is one store, which several states open as workers do, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from unbroken_gateway.state import State
from unbroken_gateway.state.memory import MemoryState
from unbroken_gateway.state.redis import RedisState
from unbroken_gateway.state.sqlite import SQLiteState
from unbroken_gateway.values import Allowance, Cost, Rate

USER = "https://id.example.com|alice"
START = 1_800_000_000.0
"""08:00 UTC."""
MIDNIGHT = START + 57_600
DAY = 86_400.0
PATIENCE = 60.0
"""The deadline of operations on a store that answers, however slow the machine is."""


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class World:
    """One store."""

    def __init__(self, kind: str, place: Path, redis_url: str = "") -> None:
        self.kind = kind
        self.clock = Clock()
        self._path = place / "state.db"
        self._url = redis_url
        self._memory = MemoryState(self.clock)

    def open(self) -> State:
        if self.kind == "sqlite":
            return SQLiteState(self._path, self.clock, PATIENCE)
        if self.kind == "redis":
            return RedisState(self._url, self.clock, PATIENCE)
        return self._memory

    def run(self, scenario: Callable[..., Awaitable[Any]], workers: int = 1) -> Any:
        """Run `scenario` with as many states on the one store, and close them."""

        async def whole() -> Any:
            states = [self.open() for _ in range(workers)]
            try:
                return await scenario(*states)
            finally:
                for state in states:
                    await state.aclose()

        return asyncio.run(whole())


def allowance(
    requests: int | None = None, tokens: int | None = None, streams: int | None = None, budget: int | None = None
) -> Allowance:
    """Requests and tokens per minute, micro-dollars per day."""
    return Allowance(
        requests=None if requests is None else Rate(requests, 60),
        tokens=None if tokens is None else Rate(tokens, 60),
        streams=streams,
        budget=None if budget is None else Rate(budget, DAY),
    )


def cost(tokens: int = 0, money: int = 0, requests: int = 1) -> Cost:
    return Cost(requests=requests, tokens=tokens, micro_usd=money)
