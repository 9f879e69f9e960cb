"""Timeouts that are tried out through the policy."""

from typing import Any

import pytest

from unbroken import Call, Plugin, Reject, TimeoutError, Timeouts
from unbroken.decisions import Decision
from unbroken.testing import BACKENDS, STALL, Answer, play, sse
from unbroken_timeout import Timeout


class Watches(Plugin):
    """Notes what is decided."""

    name = "watches"

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, Decision]] = []

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        self.seen.append((plugin, decision))


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_would_have_fired_is_reported(backend: Any) -> None:
    """And the defaults are in force."""
    watches = Watches()
    answer = Answer(body=(sse("one"), 20.0, sse("two"), STALL))
    played = play([answer], [Timeout(idle=10, total=50, shadow=True), watches], backend=backend)
    assert played.data == ["one", "two"]
    assert isinstance(played.error, TimeoutError)
    assert (played.error.timeout, played.elapsed) == ("idle", 80.0)
    ((plugin, decision),) = watches.seen
    assert isinstance(decision, Reject)
    assert isinstance(decision.error, TimeoutError)
    assert (plugin, decision.shadow, decision.error.timeout, decision.error.seconds) == ("engine", True, "idle", 10)


def test_the_timeouts_of_a_call_win() -> None:
    """They are enforced, and nothing is tried out."""
    watches = Watches()
    played = play(
        [Answer(body=(sse("one"), STALL))],
        [Timeout(idle=1, shadow=True), watches],
        timeouts=Timeouts(idle=5),
    )
    assert (played.elapsed, watches.seen) == (5.0, [])
