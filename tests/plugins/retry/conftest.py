"""Calls to ask the policy about, without an engine."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field

from unbroken.call import Call
from unbroken.dialect import Dialect
from unbroken.messages import Request


@define
class Clock:
    """Time that stands still and chance that is given."""

    now: float = 0.0
    wall: float = 1_700_000_000.0
    chance: Callable[[], float] = field(default=lambda: 0.5)

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.wall

    def random(self) -> float:
        return self.chance()


def _make_call(
    *, chance: float | None = 0.5, seed: int = 0, method: str = "POST", headers: Any = (), **seen: Any
) -> Call:
    """Make a call in its first attempt; a `chance` of None draws from a generator with `seed`."""
    request = Request.build(method, "https://api.example.com/v1", headers=headers)
    drawn = random.Random(seed).random if chance is None else lambda: chance
    call = Call("call-1", request, dialect=Dialect(), clock=Clock(chance=drawn), started_at=0.0)
    for name, value in {"attempt": 1, **seen}.items():
        setattr(call, name, value)
    return call


@pytest.fixture(scope="session")
def make_call() -> Callable[..., Call]:
    return _make_call
