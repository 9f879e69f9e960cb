"""What one worker has learnt about the upstreams, told to all: circuits that are open, gates that are closed.

Each worker decides alone, by what it knows. Once a second it tells the others in the background, so no call waits for
Redis, and a Redis that is down changes nothing. Times are those of the server.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from math import isfinite
from typing import Any, Final, cast

from attrs import define, field
from redis.exceptions import RedisError

from . import DEADLINE, StateUnavailable
from .pipe import Pipe, connect

KEY: Final = "unbroken:upstreams"
INTERVAL: Final = 1.0
"""Seconds between two exchanges."""
_NEWS: Final = 0.25
"""Seconds by which a time must be later to be told or taken."""


@define(eq=False, kw_only=True)
class Sharing:
    """Exchanges names and the seconds that each still lasts."""

    url: str = field(repr=False)
    known: Callable[[], Mapping[str, float]]
    """Returns what is known here: names, and seconds from now."""
    learn: Callable[[str, float], None]
    """Takes a name that another worker told, and the seconds from now."""
    on_failure: Callable[[str], None]
    _pipe: Pipe = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._pipe = Pipe(connect(self.url, DEADLINE), DEADLINE)

    async def run(self) -> None:
        """Exchange until cancelled."""
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                try:
                    await self.exchange()
                except (StateUnavailable, RedisError):
                    self.on_failure("sharing")
        finally:
            await self._pipe.aclose()
            await self._pipe.client.aclose()

    async def exchange(self) -> None:
        """Tell what is known here and not there, and take what is known there and not here."""
        (seconds, micros), told = await self._pipe.run(("TIME",), ("HGETALL", KEY))
        now = int(seconds) + int(micros) / 1e6
        there = dict(_times(_pairs(told)))
        here = {name: now + left for name, left in self.known().items()}
        for name, until in there.items():
            if until > now and until > here.get(name, now) + _NEWS:
                self.learn(name, until - now)
        commands: list[tuple[Any, ...]] = [
            ("HSET", KEY, name, repr(until)) for name, until in here.items() if until > there.get(name, now) + _NEWS
        ]
        commands += [("HDEL", KEY, name) for name, until in there.items() if until <= now and name not in here]
        if commands:
            await self._pipe.run(*commands)


def _times(pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, float]]:
    """Yield names and times; what another version may have written is passed over."""
    for name, until in pairs:
        with suppress(ValueError):
            seconds = float(until)
            if isfinite(seconds):
                yield name.decode(), seconds


def _pairs(told: Any) -> list[tuple[bytes, bytes]]:
    if isinstance(told, dict):
        return list(cast("dict[bytes, bytes]", told).items())
    return list(zip(told[::2], told[1::2], strict=True))
