"""What a call waits for, in lines on standard error."""

from collections.abc import Callable
from typing import Any, ClassVar

from unbroken import Call, Event, Plugin, Request, Response, TryAgain, Wait
from unbroken.call import Outcome
from unbroken.decisions import Decision


class Progress(Plugin):
    """Tells each step of a call. Must come before the policies that decide to wait."""

    name: ClassVar[str] = "progress"

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__()
        self._tell = tell

    def before_request(self, call: Call, request: Request) -> None:
        """Tell that an attempt begins."""
        self._say(call, f"attempt {call.attempts}: {request.method} {request.origin}, waiting for the head")

    def on_response(self, call: Call, response: Response) -> None:
        """Tell the status."""
        self._say(call, f"HTTP {response.status_code}, waiting for the first event")

    def on_commit(self, call: Call, event: Event) -> None:
        """Tell that the first content has come."""
        self._say(call, f"first event: {event.type}")

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Tell for how long, and why, the call waits."""
        if decision.shadow:
            self._say(call, f"in shadow: {plugin} decides {type(decision).__name__}")
        elif isinstance(decision, TryAgain):
            self._say(call, f"{type(call.error).__name__}, {plugin} tries again in {decision.delay:.1f} s")
        elif isinstance(decision, Wait):
            self._say(call, f"waiting {decision.seconds:.1f} s, as {plugin} asks")

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        """Tell how the call ended."""
        self._say(call, f"{outcome.status}: {call.events} events, {call.bytes} bytes")

    def _say(self, call: Call, what: Any) -> None:
        self._tell(f"{call.now() - call.started_at:7.2f} s  {what}\n")
