"""The hook specifications. These docstrings are the reference.

All hooks are synchronous, do no I/O and never sleep. A plugin implements the hooks that it needs. "In order" means the
order of the client's list of plugins, outermost first, except for hooks marked ``tryfirst`` or ``trylast``.
"""

from typing import Protocol

import pluggy

from .call import Call, Outcome
from .decisions import BeforeRequest, Decision, OnEvent, Reject, ShouldRetry
from .errors import Error
from .messages import Event, Request, Response, Usage
from .transport import AsyncTransport, Transport

hookspec = pluggy.HookspecMarker("unbroken")


class HookSpecs(Protocol):
    """Every hook of the engine."""

    @hookspec
    def before_request(self, call: Call, request: Request) -> BeforeRequest:
        """Called in order before each attempt is sent.

        Return a changed `Request`, `Wait` to delay the attempt, `Reject` to fail it without sending, `Replay` to answer
        it from memory, or None to agree. The plugins after this one see the changed request. After a `Wait` with a
        signal (`until`) the plugin is asked again.
        """
        ...

    @hookspec
    def on_response(self, call: Call, response: Response) -> Reject | None:
        """Called in order when the status and the headers have arrived, whatever the status.

        Return `Reject` to fail the attempt, or None to agree.
        """
        ...

    @hookspec
    def on_usage(self, call: Call, usage: Usage) -> None:
        """Called in order when the server has reported token counts: `usage`, which is `Call.usage`, has changed.

        That is once or twice per attempt with most servers, and before the commit too. Events without counts cost
        nothing.
        """
        ...

    @hookspec
    def on_commit(self, call: Call, event: Event) -> None:
        """Called once per call, just before its first event is delivered, with its first content event if there is one.

        After it, nothing is retried but what a policy resumes.
        """
        ...

    @hookspec
    def on_event(self, call: Call, event: Event) -> OnEvent:
        """Called in order for each event that is about to be delivered. This is the hot path.

        Return a changed `Event`, `DROP` to discard the event, `FINISH` to deliver it and end the call as a success,
        `Reject` to fail the attempt, or None to leave the event unchanged. Never called for the events of an attempt
        that failed before the commit. ``@hookimpl(events={"type"})`` limits the hook to some event types.
        """
        ...

    @hookspec
    def on_error(self, call: Call, error: Error) -> Error | None:
        """Called in order when an attempt has failed. Return an error that replaces this one, or None to keep it.

        Not called for a `PluginError`: a bug must not become an error that is retried.
        """
        ...

    @hookspec(firstresult=True)
    def should_retry(self, call: Call, error: Error) -> ShouldRetry:
        """Called in order after a failed attempt; the first decision wins.

        Return `TryAgain`, `GiveUp`, `Replay`, or None for no opinion. Not called for a `PluginError`, after the
        consumer has left, or when a `Wait` would pass the deadline. It is the only hook that takes wrappers
        (``@hookimpl(wrapper=True)``).
        """
        ...

    @hookspec
    def after_request(self, call: Call, outcome: Outcome) -> None:
        """Called in reverse order, exactly once for each attempt whose `before_request` began.

        Release here whatever was taken for the attempt (permits, slots, probes), whatever the outcome.
        """
        ...

    @hookspec
    def on_finish(self, call: Call, outcome: Outcome) -> None:
        """Called in reverse order, exactly once per call."""
        ...

    @hookspec
    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Called for each decision that took effect, and for each that was made in shadow (``decision.shadow``).

        `plugin` made it; ``engine`` stands for the engine's own rules. A timeout that would have ended the attempt
        (``Timeouts(shadow=True)``) is a `Reject` with a TimeoutError, made in shadow by the engine.
        """
        ...

    @hookspec
    def wrap_transport(self, transport: Transport) -> Transport:
        """Called once when a client is built. Return the transport to use. Only here may a plugin do I/O."""
        ...

    @hookspec
    def wrap_async_transport(self, transport: AsyncTransport) -> AsyncTransport:
        """Called once when an async client is built, as `wrap_transport` is for a sync client."""
        ...
