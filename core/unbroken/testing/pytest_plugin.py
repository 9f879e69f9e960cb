"""The pytest fixtures. To use them, put ``pytest_plugins = ["unbroken.testing.pytest_plugin"]`` in your conftest."""

import functools
from collections.abc import Callable

import pytest

from .clock import FakeClock
from .playing import BACKENDS, Backend, Played, play
from .sweep import cancel_sweep


@pytest.fixture
def fake_clock() -> FakeClock:
    """A new `FakeClock` for each test."""
    return FakeClock()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Run the test three times: sync, under asyncio and under trio."""
    value: Backend = request.param
    return value


@pytest.fixture(name="play")
def play_fixture(backend: Backend, fake_clock: FakeClock) -> Callable[..., Played]:
    """Return `unbroken.testing.play` for each backend, on `fake_clock`."""
    return functools.partial(play, backend=backend, clock=fake_clock)


@pytest.fixture(
    name="cancel_sweep",
    params=[("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")],
    ids=["asyncio-scope", "asyncio-task", "trio-scope"],
)
def cancel_sweep_fixture(request: pytest.FixtureRequest) -> Callable[..., int]:
    """Return `unbroken.testing.cancel_sweep` for asyncio, by scope and by task, and for trio."""
    backend, by = request.param
    return functools.partial(cancel_sweep, backend=backend, by=by)
