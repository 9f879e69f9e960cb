"""Telling a user who waits at a terminal why."""

from collections.abc import Callable
from typing import ClassVar, Final

from unbroken import Call, Key, Outcome, Plugin, TryAgain, Wait
from unbroken.decisions import Decision

_LONG: Final = 0.3
"""Seconds; for less nobody wonders."""
_FAILURE: Key[str] = Key("waiting.failure")


class Waiting(Plugin):
    """Says for how long, before each longer wait. It stands in front of the policies that ask for them."""

    name: ClassVar[str] = "waiting"

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__()
        self._tell = tell

    def after_request(self, call: Call, outcome: Outcome) -> None:
        """Keep how the attempt failed."""
        if outcome.error is not None:
            call.set(_FAILURE, type(outcome.error).__name__)

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Tell of a wait that begins."""
        if isinstance(decision, TryAgain) and decision.delay >= _LONG:
            failure = call.get(_FAILURE)
            self._tell(f"{failure}, trying again in {decision.delay:.1f} s")
        elif isinstance(decision, Wait) and decision.seconds >= _LONG:
            self._tell(f"waiting {decision.seconds:.1f} s, as {plugin} asks")
