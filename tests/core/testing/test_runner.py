"""Async code in virtual time: fast, repeatable, and never hanging."""

import asyncio
import functools
import math
import sys
import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

from unbroken.testing import FakeClock, run, runner

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hang is called one after a moment."""
    monkeypatch.setattr(runner, "_GRACE", 0.02)
    monkeypatch.setattr(runner, "_GLANCES", 2)


@BACKENDS
def test_a_day_passes_in_no_time(backend: Any) -> None:
    """The result is returned, arguments are handed on."""
    clock = FakeClock(start=0.0)

    async def wait(seconds: float) -> str:
        await anyio.sleep(seconds)
        return "done"

    assert run(wait, 86400.0, clock=clock, backend=backend) == "done"
    assert clock.monotonic() == 86400.0


@BACKENDS
def test_a_clock_is_made_when_none_is_given(backend: Any) -> None:
    """For code that only has to run."""
    assert run(functools.partial(anyio.sleep, 1.0), backend=backend) is None


def test_asyncio_is_the_default() -> None:
    """It needs no other library."""

    async def main() -> float:
        return asyncio.get_running_loop().time()

    assert run(main, clock=FakeClock(start=7.0)) == 7.0


@BACKENDS
def test_an_error_is_raised_as_it_is(backend: Any) -> None:
    """Not in a group."""

    async def fail() -> None:
        await anyio.sleep(1.0)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(fail, backend=backend)


async def _event() -> None:
    await anyio.Event().wait()


async def _for_ever() -> None:
    await anyio.sleep(math.inf)


async def _several() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_event)
        group.start_soon(_for_ever)


async def _after_a_while() -> None:
    await anyio.sleep(5.0)
    await _event()


@BACKENDS
@pytest.mark.parametrize("hang", [_event, _for_ever, _several, _after_a_while], ids=lambda it: it.__name__.strip("_"))
@pytest.mark.usefixtures("short_grace")
def test_a_hang_is_an_error(backend: Any, hang: Any) -> None:
    """Where a test without virtual time would wait until somebody kills it."""
    with pytest.raises(RuntimeError, match="this would hang"):
        run(hang, backend=backend)


@BACKENDS
def test_what_waits_for_ever_can_be_cancelled(backend: Any) -> None:
    """By a timer of somebody else: that is no hang."""
    clock = FakeClock(start=0.0)

    async def main() -> bool:
        with anyio.move_on_after(30.0) as scope:
            await _several()
        return scope.cancelled_caught

    assert run(main, clock=clock, backend=backend)
    assert clock.monotonic() == 30.0


@BACKENDS
def test_a_thread_is_waited_for(backend: Any) -> None:
    """It may be the one that lets everything go on."""
    go = threading.Event()

    async def main() -> str:
        go.set()
        return await anyio.to_thread.run_sync(lambda: "done" if go.wait(5.0) else "")

    assert run(main, backend=backend) == "done"


def test_no_trio_is_needed_for_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a package of our tests, not of our users."""
    monkeypatch.setitem(sys.modules, "trio", None)
    run(anyio.sleep, 1.0)
