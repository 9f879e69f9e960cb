"""A clock whose time passes only when a test says so."""

import random
from collections.abc import Callable

import anyio


class FakeClock:
    """A clock that moves only when code sleeps on it or calls `advance`. Its random numbers come from `seed`.

    `start` is the monotonic time and `wall` the Unix time at the beginning, in seconds. A sync sleep moves the clock at
    once. Async code must run under `unbroken.testing.run`, which moves the clock whenever all tasks wait.
    """

    def __init__(self, start: float = 1000.0, wall: float = 1_700_000_000.0, seed: int = 0) -> None:
        self._now = start
        self._wall = wall - start
        self._chance = random.Random(seed)
        self._move: Callable[[float], None] = self._add
        self._read: Callable[[], float] = lambda: self._now
        self.slept: list[float] = []
        """Every sleep of the clients in seconds, in order."""

    def monotonic(self) -> float:
        """Return the monotonic time in seconds: it never goes back."""
        return self._read()

    def time(self) -> float:
        """Return the wall time in Unix seconds."""
        return self._wall + self.monotonic()

    def random(self) -> float:
        """Return the next random number in [0, 1)."""
        return self._chance.random()

    def sleep(self, seconds: float) -> None:
        """Move the clock by `seconds` at once, and note the sleep."""
        self.slept.append(seconds)
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Suspend the current task for `seconds` of virtual time, and note the sleep."""
        self.slept.append(seconds)
        await anyio.sleep(seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock by `seconds`. Raises ValueError if they are negative: monotonic time never goes back."""
        if not seconds >= 0:
            raise ValueError(f"time cannot be advanced by {seconds!r} s")
        self._move(seconds)

    def jump_wall(self, seconds: float) -> None:
        """Set the wall time forward or back, as an administrator or NTP does. The monotonic time does not change."""
        self._wall += seconds

    def attach(self, read: Callable[[], float], move: Callable[[float], None]) -> None:
        """Follow another source of time from now on, without a jump. The runner uses this for trio."""
        offset = self._read() - read()
        self._read = lambda: read() + offset
        self._move = move

    def detach(self) -> None:
        """Stop following the other source of time, and keep the time reached."""
        self._now = self._read()
        self._read, self._move = (lambda: self._now), self._add

    def _add(self, seconds: float) -> None:
        self._now += seconds
