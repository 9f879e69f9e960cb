"""Events are counted as delivered when the consumer takes them, wherever it leaves."""

from types import SimpleNamespace
from typing import Any

import pytest

from unbroken import Event
from unbroken._engine.delivery import Delivery
from unbroken._engine.effects import Leave


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_consumer_that_leaves_has_what_it_took(taken: int) -> None:
    """Nothing, a part, or all of one batch."""
    call = SimpleNamespace(events=0, last_event_id="before")
    delivery: Any = SimpleNamespace(call=call)
    steps = Delivery._unwatched(
        delivery, [Event("message", b"x", id=f"id-{number}") for number in range(3)], complete=False
    )
    batch: Any = next(steps)
    for _ in range(taken):
        next(batch.ready)
    with pytest.raises(Leave):
        steps.throw(Leave())
    assert (call.events, call.last_event_id) == (taken, f"id-{taken - 1}" if taken else "before")
