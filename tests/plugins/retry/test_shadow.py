"""A retry policy that is tried out, alone and in front of the one in force."""

from typing import Any

import pytest

from unbroken import Call, GiveUp, Plugin, TryAgain
from unbroken.decisions import Decision
from unbroken.testing import BACKENDS, Answer, check_plugin, play, sse
from unbroken_retry import Retry

OK, DOWN = Answer(body=sse("word")), Answer(status=503)


class Watches(Plugin):
    """Notes what is decided."""

    name = "watches"

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Decision] = []

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        self.seen.append(decision)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_retry_in_shadow_is_reported_and_not_made(backend: Any) -> None:
    """The failure is raised at once, and no attempt was decided about."""
    watches = Watches()
    played = play([DOWN], [watches, Retry(jitter=0, shadow=True)], backend=backend)
    assert played.failure.status_code == 503
    assert (played.attempts, played.elapsed) == (1, 0.0)
    assert [attempt.decided_by for attempt in played.history] == [None]
    (decision,) = watches.seen
    assert decision == TryAgain(0.5, reason="retry 1 of 3, backed off", shadow=True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_policy_decides_beside_it(backend: Any) -> None:
    """So two sets of settings can be compared on the same failures."""
    watches = Watches()
    tried, real = Retry(max_retries=1, jitter=0, shadow=True), Retry(max_retries=2, initial_delay=2, jitter=0)
    real.name = "real"  # type: ignore[misc]
    played = play([DOWN, DOWN, OK], [watches, tried, real], backend=backend)
    assert (played.error, played.elapsed) == (None, 6.0)
    assert [(type(decision), decision.shadow) for decision in watches.seen] == [
        (TryAgain, True),
        (TryAgain, False),
        (GiveUp, True),
        (TryAgain, False),
    ]


def test_the_contract_holds_in_shadow() -> None:
    """It keeps nothing of a call there either."""
    check_plugin(lambda: Retry(shadow=True))
