"""Time that passes when a test says so."""

import random
from collections.abc import Callable

import anyio


class FakeClock:
    """A clock that only moves when somebody sleeps on it or advances it. Chance comes from `seed`.

    Blocking code that sleeps moves it at once. Async code must run under `unbroken.testing.run`, which moves it when
    all tasks wait.
    """

    def __init__(self, start: float = 1000.0, wall: float = 1_700_000_000.0, seed: int = 0) -> None:
        self._now = start
        self._wall = wall - start
        self._chance = random.Random(seed)
        self._move: Callable[[float], None] = self._add
        self._read: Callable[[], float] = lambda: self._now
        self.slept: list[float] = []
        """Every sleep of the clients, in order."""

    def monotonic(self) -> float:
        """Return seconds that only go forward."""
        return self._read()

    def time(self) -> float:
        """Return wall time in Unix seconds."""
        return self._wall + self.monotonic()

    def random(self) -> float:
        """Return the next number in [0, 1)."""
        return self._chance.random()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass at once."""
        self.slept.append(seconds)
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Let other tasks run for `seconds` of virtual time."""
        self.slept.append(seconds)
        await anyio.sleep(seconds)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass. Raises ValueError when they are negative: monotonic time only goes forward."""
        if not seconds >= 0:
            raise ValueError(f"time cannot be advanced by {seconds!r} s")
        self._move(seconds)

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does; monotonic time does not notice."""
        self._wall += seconds

    def attach(self, read: Callable[[], float], move: Callable[[float], None]) -> None:
        """Follow another source of time from now on; the runner does this for trio."""
        offset = self._read() - read()
        self._read = lambda: read() + offset
        self._move = move

    def detach(self) -> None:
        """Go on alone."""
        self._now = self._read()
        self._read, self._move = (lambda: self._now), self._add

    def _add(self, seconds: float) -> None:
        self._now += seconds
