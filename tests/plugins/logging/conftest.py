"""One call, one plugin that is closed afterwards, and what the application's loguru got to see."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from loguru import logger

from unbroken.call import Call
from unbroken.dialect import Dialect
from unbroken.messages import Request
from unbroken_logging import Logging

URL = "https://api.example.org/v1/messages?key=CANARY-in-query"


class FakeClock:
    def monotonic(self) -> float:
        return 12.0

    def time(self) -> float:
        return 1_700_000_000.25

    def random(self) -> float:
        return 0.5

    def sleep(self, seconds: float) -> None: ...

    async def asleep(self, seconds: float) -> None: ...


@pytest.fixture
def make_call() -> Callable[..., Call]:
    def make(id: str = "call-1", **headers: str) -> Call:
        request = Request.build("POST", URL, headers=headers)
        call = Call(id=id, request=request, dialect=Dialect(), clock=FakeClock(), started_at=0.0)
        call.attempt = 1
        return call

    return make


@pytest.fixture
def call(make_call: Callable[..., Call]) -> Call:
    return make_call()


@pytest.fixture
def make_plugin() -> Iterator[Callable[..., Logging]]:
    made: list[Logging] = []

    def make(**values: Any) -> Logging:
        made.append(Logging(**values))
        return made[-1]

    yield make
    for plugin in made:
        plugin.close()


@pytest.fixture
def entries() -> Iterator[list[Any]]:
    """Records as a handler of the application gets them; `str` is the line."""
    seen: list[Any] = []
    handler = logger.add(seen.append, level=0, format="{message}", colorize=True)
    yield seen
    logger.remove(handler)
