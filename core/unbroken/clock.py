"""Where time and chance come from. Everything in a client takes them from one `Clock`, so tests can replace both."""

import random as _random
import time as _time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Time, chance and waiting."""

    def monotonic(self) -> float:
        """Return seconds that only go forward."""
        ...

    def time(self) -> float:
        """Return wall time in Unix seconds."""
        ...

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Block the thread."""
        ...

    async def asleep(self, seconds: float, /) -> None:
        """Let other tasks run for so long."""
        ...


class SystemClock:
    """The real clocks of the machine."""

    monotonic = staticmethod(_time.monotonic)
    time = staticmethod(_time.time)
    random = staticmethod(_random.random)
    sleep = staticmethod(_time.sleep)

    async def asleep(self, seconds: float) -> None:
        """Let other tasks run for so long."""
        await anyio.sleep(seconds)
