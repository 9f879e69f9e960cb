"""G83: two consumers meet within the engine."""

import asyncio
from typing import Any

import pytest

from unbroken import Event
from unbroken._engine.closing import Closing
from unbroken._engine.drivers import AsyncDriver, Driver
from unbroken._engine.effects import Sleep


@pytest.mark.parametrize("kind", [Driver, AsyncDriver])
def test_a_consumer_that_finds_the_engine_running_is_told(kind: Any) -> None:
    """And the event is the first consumer's."""
    seen: list[str] = []

    def ask() -> Any:
        return driver.next_event() if kind is Driver else asyncio.run(driver.next_event())

    def ask_within() -> Any:
        if kind is Driver:
            return driver.next_event()
        return driver.next_event().send(None)

    def steps() -> Any:
        try:
            ask_within()
        except RuntimeError as error:
            seen.append(str(error))
        yield Event()

    driver: Any = kind(steps(), None, None, Closing())
    assert ask() == Event()
    assert seen == ["another task or thread is reading this stream"]


@pytest.mark.parametrize("kind", [Driver, AsyncDriver])
def test_a_value_error_of_the_engine_stays_what_it_is(kind: Any) -> None:
    def steps() -> Any:
        yield from ()
        raise ValueError("mine")

    driver: Any = kind(steps(), None, None, Closing())
    with pytest.raises(ValueError, match="mine"):
        driver.next_event() if kind is Driver else asyncio.run(driver.next_event())


class Interrupted(BaseException):
    pass


class Interrupting(Closing):
    """Interrupts every wait."""

    def sleep(self, *arguments: Any) -> None:
        raise Interrupted

    async def asleep(self, *arguments: Any) -> None:
        raise Interrupted


@pytest.mark.parametrize("kind", [Driver, AsyncDriver])
def test_a_consumer_that_was_interrupted_is_not_taken_for_two(kind: Any) -> None:
    """It may catch the interrupt and ask again; then the stream is at its end."""

    def steps() -> Any:
        yield Sleep(1.0)

    def ask() -> Any:
        return driver.next_event() if kind is Driver else asyncio.run(driver.next_event())

    driver: Any = kind(steps(), None, None, Interrupting())
    with pytest.raises(Interrupted):
        ask()
    assert ask() is None
