"""Fixtures: ``pytest_plugins = ["penstock.testing.pytest_plugin"]`` in your conftest."""

import functools
from collections.abc import Callable

import pytest

from .clock import FakeClock
from .playing import BACKENDS, Colour, Played, play


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that moves when somebody sleeps on it."""
    return FakeClock()


@pytest.fixture(params=BACKENDS)
def colour(request: pytest.FixtureRequest) -> Colour:
    """Runs the test three times: blocking, under asyncio and under trio."""
    value: Colour = request.param
    return value


@pytest.fixture(name="play")
def play_fixture(colour: Colour, fake_clock: FakeClock) -> Callable[..., Played]:
    """`penstock.testing.play` in each colour, on `fake_clock`."""
    return functools.partial(play, backend=colour, clock=fake_clock)
