"""Tells the traffic in which phase each call of an upstream is."""

from collections.abc import Callable
from typing import ClassVar

from unbroken import Call, Event, Plugin, Request, Response, TryAgain, Wait
from unbroken.decisions import Decision

from ..traffic import Phase


class Phases(Plugin):
    """An observer, first in the list of each client. The id of a call is that of its request."""

    name: ClassVar[str] = "gateway-phases"

    def __init__(self, reached: Callable[[str, Phase], None]) -> None:
        super().__init__()
        self._reached = reached

    def before_request(self, call: Call, request: Request) -> None:
        """Note an attempt, unless one of the policies behind makes it wait."""
        self._reached(call.id, "before headers")

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Note a wait for a place or for the next attempt."""
        if isinstance(decision, (Wait, TryAgain)) and not decision.shadow:
            self._reached(call.id, "waiting")

    def on_response(self, call: Call, response: Response) -> None:
        """Note the head of an answer that is no failure."""
        if response.status_code < 300:
            self._reached(call.id, "before first event")

    def on_commit(self, call: Call, event: Event) -> None:
        """Note the first content."""
        self._reached(call.id, "streaming")
