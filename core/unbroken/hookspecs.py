"""The hook specifications. These docstrings are the reference.

All hooks are synchronous, do no I/O and never sleep. A plugin implements those that it needs.
"""

from typing import Protocol

import pluggy

from .call import Call, Outcome
from .decisions import BeforeRequest, Decision, OnEvent, Reject, ShouldRetry
from .errors import Error
from .messages import Event, Request, Response
from .transport import AsyncTransport, Transport

hookspec = pluggy.HookspecMarker("unbroken")


class HookSpecs(Protocol):
    """Every hook of the engine."""

    @hookspec
    def before_request(self, call: Call, request: Request) -> BeforeRequest:
        """Called in order before each attempt is sent.

        Return a changed `Request`, `Wait` to delay the attempt, `Reject` to fail it unsent, `Replay` to answer it
        from memory, None to agree. A changed request is what the plugins behind see.
        """
        ...

    @hookspec
    def on_response(self, call: Call, response: Response) -> Reject | None:
        """Called in order when status and headers have arrived, whatever the status.

        Return `Reject` to fail the attempt, None to agree.
        """
        ...

    @hookspec
    def on_commit(self, call: Call, event: Event) -> None:
        """Called once per call, when the first content event is about to be delivered. Nothing is retried after it."""
        ...

    @hookspec
    def on_event(self, call: Call, event: Event) -> OnEvent:
        """Called in order for each event about to be delivered. This is the hot path.

        Return a changed `Event`, `DROP` to keep it from the consumer, `FINISH` to end the call as a success with it,
        `Reject` to fail the attempt, None to leave it as it is. Never called for events of an attempt that failed
        before the commit. ``@hookimpl(events={"type"})`` limits it to some event types.
        """
        ...

    @hookspec
    def on_error(self, call: Call, error: Error) -> Error | None:
        """Called in order when an attempt failed. Return another error to put in its place, None to leave it.

        Not called for a `PluginError`: a bug must not become something that is retried.
        """
        ...

    @hookspec(firstresult=True)
    def should_retry(self, call: Call, error: Error) -> ShouldRetry:
        """Called in order after a failed attempt; the first answer wins.

        Return `TryAgain`, `GiveUp`, `Replay`, or None for no opinion. Nobody is asked about a `PluginError` or after
        the consumer left. The one hook that takes wrappers (``@hookimpl(wrapper=True)``).
        """
        ...

    @hookspec
    def after_request(self, call: Call, outcome: Outcome) -> None:
        """Called in reverse order, exactly once for each attempt whose `before_request` began.

        Give back here what you took, whatever the outcome.
        """
        ...

    @hookspec
    def on_finish(self, call: Call, outcome: Outcome) -> None:
        """Called in reverse order, exactly once per call."""
        ...

    @hookspec
    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Called for each decision that took effect: `plugin` decided, ``engine`` where the engine's own rules did."""
        ...

    @hookspec
    def wrap_transport(self, transport: Transport) -> Transport:
        """Called once when a client is built. Return the transport to use; the only place where a plugin may do I/O."""
        ...

    @hookspec
    def wrap_async_transport(self, transport: AsyncTransport) -> AsyncTransport:
        """The same for an async client."""
        ...
