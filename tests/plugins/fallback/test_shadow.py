"""``shadow=True``: what would have been done is told, and nothing is done."""

from collections.abc import Callable
from typing import Any

from unbroken import Plugin, TryAgain
from unbroken.testing import Played
from unbroken_fallback import Fallback, Target
from unbroken_retry import Retry

from .servers import WHOLE, hosts, status, url, world

EU = Target(url=url("eu"), name="eu")


class Told(Plugin):
    """Keeps the decisions."""

    name = "told"

    def __init__(self) -> None:
        super().__init__()
        self.decisions: list[tuple[str, bool, str]] = []

    def on_decision(self, call: Any, decision: Any, plugin: str) -> None:
        self.decisions.append((plugin, decision.shadow, decision.reason))
        assert isinstance(decision, TryAgain) or plugin == "retry"


def test_in_shadow_a_move_is_only_told(play: Callable[..., Played]) -> None:
    """The call ends as without the policy; the first target does not cool."""
    told, fallback = Told(), Fallback(targets=[EU], shadow=True)
    played = play(world(api=status(503)), [told, fallback, Retry(max_retries=1)])
    assert (hosts(played), played.failure.status_code) == (["api", "api"], 503)
    assert told.decisions[1:] == [
        ("fallback", True, "to eu: max_retries 1 reached"),
        ("retry", False, "max_retries 1 reached"),
    ]
    assert fallback.snapshot() == {}
    assert hosts(play(world(api=WHOLE), [fallback])) == ["api"]


def test_in_shadow_a_retry_is_not_given_up(play: Callable[..., Played]) -> None:
    """Where the policy would have been quicker."""
    told, fallback = Told(), Fallback(targets=[Target(body={"m": 1}, keys=({"k": "a"}, {"k": "b"}))], shadow=True)
    played = play(world(api=[status(429), WHOLE]), [told, fallback, Retry()])
    assert (hosts(played), played.data) == (["api", "api"], ["whole"])
    assert told.decisions == [("retry", False, "retry 1 of 3, backed off")]
