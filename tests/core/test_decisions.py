"""What a policy may answer: values that cannot be wrong."""

import copy
import pickle
from typing import Any

import pytest

from unbroken import (
    DROP,
    FINISH,
    Event,
    GiveUp,
    Reject,
    Replay,
    Request,
    ServerError,
    TryAgain,
    Wait,
)

REQUEST = Request.build("GET", "https://example.org")


@pytest.mark.parametrize("decision", [Wait, TryAgain], ids=lambda it: it.__name__)
@pytest.mark.parametrize("value", [0, 0.0, 1, 86400.5])
def test_a_wait_is_a_number_of_seconds(decision: type[Wait | TryAgain], value: float) -> None:
    """None at all, too."""
    assert decision(value) == decision(value)


@pytest.mark.parametrize("decision", [Wait, TryAgain], ids=lambda it: it.__name__)
@pytest.mark.parametrize(
    "value",
    [-1, -0.1, float("nan"), float("inf"), True, "1", None, 10**400, 10**5000],
    ids=lambda value: f"E63-{str(value)[:5] if not isinstance(value, int) or value < 9 else 'huge'}",
)
def test_E63_a_wait_without_end_or_sense_is_refused(decision: Any, value: Any) -> None:
    """Where it is made, so that the plugin's traceback shows where."""
    with pytest.raises(ValueError, match="must be a finite number of seconds"):
        decision(value)


@pytest.mark.parametrize("value", [None, "no", ValueError("no"), ServerError], ids=repr)
def test_a_rejection_has_an_error_of_ours(value: Any) -> None:
    """An instance, of the tree."""
    with pytest.raises(TypeError, match="error must be of type Error"):
        Reject(value)


def test_giving_up_may_have_an_error() -> None:
    """Or none: then the failure itself is raised."""
    assert GiveUp().error is None
    assert GiveUp(ServerError("no")).error is not None
    with pytest.raises(TypeError, match="error must be"):
        GiveUp(ValueError("no"))  # type: ignore[arg-type]


def test_a_retry_may_send_something_else() -> None:
    """A request; nothing that only looks like one."""
    assert TryAgain(request=REQUEST).request is REQUEST
    assert TryAgain() == TryAgain(0.0, None, False, "")
    with pytest.raises(TypeError, match="request must be of type Request"):
        TryAgain(request="https://example.org")  # type: ignore[arg-type]


def test_a_replay_is_made_of_events() -> None:
    """Of any iterable of them, taken once."""
    assert Replay(iter([Event("a"), Event("b")])).events == (Event("a"), Event("b"))
    assert Replay(()).events == ()
    for bad in ([1], ["event"], 5):
        with pytest.raises(TypeError):
            Replay(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "decision",
    [Wait(1, "r"), TryAgain(2, REQUEST), GiveUp(reason="r"), Replay([Event("a")])],
    ids=lambda it: type(it).__name__,
)
def test_decisions_are_values(decision: Any) -> None:
    """They compare by what they say, and cannot be changed."""
    assert copy.copy(decision) == decision
    assert decision != Wait(99)
    with pytest.raises(AttributeError):
        decision.reason = "other"


@pytest.mark.parametrize("verdict", [DROP, FINISH])
def test_verdicts_stay_themselves(verdict: Any) -> None:
    """The engine compares them by identity."""
    assert copy.deepcopy(verdict) is verdict
    assert pickle.loads(pickle.dumps(verdict)) is verdict
    assert DROP is not FINISH
