"""Time that passes when a test says so."""

import functools
import operator

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken.testing import FakeClock, run


def test_a_fake_clock_stands_still() -> None:
    """However often one looks."""
    clock = FakeClock(start=5.0, wall=100.0)
    assert [clock.monotonic(), clock.monotonic(), clock.time(), clock.time()] == [5.0, 5.0, 100.0, 100.0]


def test_sleeping_moves_it_at_once() -> None:
    """Both clocks; each sleep is noted, an advance is not."""
    clock = FakeClock(start=0.0, wall=100.0)
    clock.sleep(2.5)
    clock.advance(1.0)
    assert (clock.monotonic(), clock.time(), clock.slept) == (3.5, 103.5, [2.5])


def test_E61_the_wall_clock_jumps_alone() -> None:
    """As when an administrator sets it, or NTP."""
    clock = FakeClock(start=0.0, wall=100.0)
    clock.jump_wall(-3600.0)
    assert (clock.monotonic(), clock.time()) == (0.0, -3500.0)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_monotonic_time_only_goes_forward(seconds: float) -> None:
    """Whoever wants to go back has a mistake in a test."""
    with pytest.raises(ValueError, match="cannot be advanced"):
        FakeClock().advance(seconds)


def test_chance_comes_from_the_seed() -> None:
    """The same numbers each time, others for another seed, all in [0, 1)."""

    def numbers(seed: int) -> list[float]:
        clock = FakeClock(seed=seed)
        return [clock.random() for _ in range(100)]

    assert numbers(1) == numbers(1) != numbers(2)
    assert all(0.0 <= number < 1.0 for number in numbers(1))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_sleeping_tasks_move_it_together(backend: str) -> None:
    """Each for itself: the time is that of the longest, not the sum."""
    clock = FakeClock(start=7.0)
    woken: list[tuple[float, float]] = []

    async def sleeper(seconds: float) -> None:
        await clock.asleep(seconds)
        woken.append((seconds, clock.monotonic()))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for seconds in (3.0, 1.0, 2.0):
                group.start_soon(sleeper, seconds)

    run(main, clock=clock, backend=backend)  # type: ignore[arg-type]
    assert woken == [(1.0, 8.0), (2.0, 9.0), (3.0, 10.0)]
    assert sorted(clock.slept) == [1.0, 2.0, 3.0]
    assert clock.monotonic() == 10.0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_can_advance_it(backend: str) -> None:
    """Timers that are due by then fire."""
    clock = FakeClock(start=0.0)

    async def main() -> bool:
        with anyio.move_on_after(5.0) as scope:
            clock.advance(6.0)
            await anyio.sleep(1.0)
        return scope.cancelled_caught

    assert run(main, clock=clock, backend=backend)  # type: ignore[arg-type]
    assert clock.monotonic() == 6.0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_goes_on_after_a_run(backend: str) -> None:
    """From where it was; one clock serves many runs."""
    clock = FakeClock(start=0.0)
    for _ in range(2):
        run(anyio.sleep, 4.0, clock=clock, backend=backend)  # type: ignore[arg-type]
        clock.sleep(1.0)
    assert clock.monotonic() == 10.0


@given(st.lists(st.floats(0, 1e6)))
def test_it_adds_up(steps: list[float]) -> None:
    """Whatever the steps, wall and monotonic time move alike."""
    clock = FakeClock(start=0.0, wall=0.0)
    for seconds in steps:
        clock.sleep(seconds)
    assert clock.monotonic() == clock.time() == functools.reduce(operator.add, steps, 0.0)  # sum() rounds better
