"""The source of time and randomness. All parts of a client use one `Clock`, so tests can replace both."""

import random as _random
import time as _time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Time, randomness and sleeping."""

    def monotonic(self) -> float:
        """Return the monotonic time in seconds: it never goes back."""
        ...

    def time(self) -> float:
        """Return the wall time in Unix seconds."""
        ...

    def random(self) -> float:
        """Return a random number in [0, 1)."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Block the current thread for `seconds`."""
        ...

    async def asleep(self, seconds: float, /) -> None:
        """Suspend the current task for `seconds`; other tasks run meanwhile."""
        ...


class SystemClock:
    """The system's clocks and Python's random numbers."""

    monotonic = staticmethod(_time.monotonic)
    time = staticmethod(_time.time)
    random = staticmethod(_random.random)
    sleep = staticmethod(_time.sleep)

    async def asleep(self, seconds: float) -> None:
        """Suspend the current task for `seconds`; other tasks run meanwhile."""
        await anyio.sleep(seconds)
