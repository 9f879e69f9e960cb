"""A limiter that is tried out: it decides as always, and no call waits or fails."""

from typing import Any

import pytest

from unbroken import Call, Plugin, Reject, Wait
from unbroken.decisions import Decision
from unbroken.testing import BACKENDS, Answer, FakeClock, check_plugin, play, sse
from unbroken_rate_limit import RateLimit

OK = Answer(body=sse("word"))
KEY = "https://api.example.org:443"


class Watches(Plugin):
    """Notes what is decided."""

    name = "watches"

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Decision] = []

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        assert plugin == "rate-limit"
        self.seen.append(decision)


def calls(clock: FakeClock, backend: Any, script: list[Answer], **limits: Any) -> tuple[RateLimit, list[Decision]]:
    """Make calls one after the other, which take no time, and return what would have been decided."""
    policy, watches = RateLimit(**limits, shadow=True), Watches()
    for answer in script:
        played = play([answer], [policy, watches], clock=clock, backend=backend)
        assert (played.elapsed, played.attempts) == (0.0, 1)
        assert (played.error is None) == (answer is OK)
    assert all(decision.shadow for decision in watches.seen)
    return policy, watches.seen


@pytest.mark.parametrize("backend", BACKENDS)
def test_waits_and_refusals_are_reported_and_nobody_waits(backend: Any) -> None:
    """As far as the limits would have let the calls wait."""
    policy, seen = calls(FakeClock(), backend, [OK] * 4, requests=6, burst=1, max_wait=20)
    assert [decision.seconds for decision in seen if isinstance(decision, Wait)] == pytest.approx([10.0, 20.0])
    (refused,) = [decision.error for decision in seen if isinstance(decision, Reject)]
    assert (refused.retry_after, refused.is_local) == (pytest.approx(30.0), True)
    assert (policy.snapshot()[KEY].waiting, policy.snapshot()[KEY].in_flight) == (0, 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gate_in_shadow_holds_nobody(backend: Any) -> None:
    """With limits of its own and without."""
    busy = Answer(status=429, headers={"retry-after": "5"})
    for limits in ({}, {"requests": 100}):
        policy, seen = calls(FakeClock(), backend, [busy, OK], **limits)
        assert [decision.seconds for decision in seen if isinstance(decision, Wait)] == pytest.approx([5.0])
        assert policy.snapshot()[KEY].gate == pytest.approx(5.0)


def test_the_contract_holds_in_shadow() -> None:
    """Nothing is held back there either."""
    check_plugin(
        lambda: RateLimit(requests=2, burst=1, shadow=True),
        held=lambda policy: sum(state.waiting + state.in_flight for state in policy.snapshot().values()),
    )
