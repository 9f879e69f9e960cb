"""Calling hooks as the contract of plugin authors says: what is a decision, what is a bug, what is contained."""

import inspect
import logging
from collections.abc import Generator
from typing import Any

from ..call import Call, Outcome
from ..decisions import DROP, FINISH, Decision, GiveUp, Reject, Replay, Retry, ShouldRetry
from ..errors import Error, PluginError
from ..messages import Event, Response
from .hooks import Bound, Hooks

Wrapper = Generator[None, ShouldRetry, ShouldRetry]
"""What ``@hookimpl(wrapper=True)`` makes of `should_retry`: yields once, is sent the answer, returns its own."""

# The one thing that this library says by itself: a plugin has a bug that the stream has survived.
_log = logging.getLogger("unbroken")


class HookCalls:
    """The hooks of a client, called for one call."""

    __slots__ = ("_hooks", "call", "finishing", "watched")

    def __init__(self, hooks: Hooks, call: Call) -> None:
        self._hooks = hooks
        self.call = call
        self.watched = bool(hooks.on_event or hooks.on_event_by_type)
        """Whether any plugin looks at events."""
        self.finishing = False
        """Whether a plugin answered FINISH."""

    def ask(self, bound: Bound, hook: str, payload: Any, allowed: tuple[type, ...]) -> Any:
        """Call one hook. Whatever goes wrong in it is a PluginError."""
        function, plugin = bound
        try:
            answer = function(self.call, payload)
        except Exception as error:
            raise raised(plugin, hook, error) from error
        return None if answer is None else checked(answer, plugin, hook, allowed)

    def on_response(self, response: Response) -> None:
        """Raise what a plugin rejects the response with."""
        for bound in self._hooks.on_response:
            answer = self.ask(bound, "on_response", response, (Reject,))
            if answer is not None:
                self._obey(answer, bound[1])

    def on_commit(self, event: Event) -> None:
        """Tell of the first content event."""
        call = self.call
        for function, plugin in self._hooks.on_commit:
            try:
                answer = function(call, event)
            except Exception as error:
                raise raised(plugin, "on_commit", error) from error
            if answer is not None:
                checked(answer, plugin, "on_commit", ())

    def on_event(self, event: Event) -> Event | None:
        """Return the event to deliver, None when a plugin dropped it."""
        hooks = self._hooks
        finishing = False
        for bound in hooks.on_event_by_type.get(event.type, hooks.on_event):
            try:
                answer = bound[0](self.call, event)
            except Exception as error:
                raise raised(bound[1], "on_event", error) from error
            if answer is None:
                continue
            if answer is DROP:
                self.finishing = finishing
                return None
            if answer is FINISH:
                finishing = True
            elif isinstance(answer, Event):
                event = answer
            else:
                self._obey(checked(answer, bound[1], "on_event", (Reject,)), bound[1])
        self.finishing = finishing
        return event

    def on_error(self, error: Error) -> Error:
        """Return the error that the plugins make of `error`. A plugin's bug stays one, or it could be retried."""
        if isinstance(error, PluginError):
            return error
        for bound in self._hooks.on_error:
            try:
                error = self.ask(bound, "on_error", error, (Error,)) or error
            except PluginError as bug:
                bug.__context__ = error
                return bug
        return error

    def should_retry(self, error: Error) -> tuple[ShouldRetry, str]:
        """Return the first answer, as the wrappers around it left it, and whose it is. Raises PluginError."""
        entered: list[tuple[Bound, Wrapper]] = []
        try:
            for bound in self._hooks.retry_wrappers:
                entered.append((bound, bound[0](self.call, error)))
                self._enter(*entered[-1])
            answer, plugin = self._first_answer(error)
            for bound, wrapper in reversed(entered):
                changed = self._leave(bound, wrapper, answer)
                if changed is not answer:
                    answer, plugin = changed, bound[1]
            return answer, plugin
        finally:
            for bound, wrapper in reversed(entered):
                self._abandon(bound, wrapper)

    def _first_answer(self, error: Error) -> tuple[ShouldRetry, str]:
        for bound in self._hooks.should_retry:
            answer: ShouldRetry = self.ask(bound, "should_retry", error, (Retry, GiveUp, Replay))
            if answer is not None:
                return answer, bound[1]
        return None, "engine"

    def _enter(self, bound: Bound, wrapper: Wrapper) -> None:
        self.ask((lambda *_: next(wrapper), bound[1]), "should_retry", None, ())

    def _abandon(self, bound: Bound, wrapper: Wrapper) -> None:
        """Let a wrapper clean up that will not be asked again, now and not when it is collected."""
        try:
            wrapper.close()
        except Exception as error:  # noqa: BLE001  # it had its say, the call goes on
            _report(bound[1], "should_retry", error)

    def _leave(self, bound: Bound, wrapper: Wrapper, answer: ShouldRetry) -> ShouldRetry:
        def send(*_: object) -> object:
            try:
                wrapper.send(answer)
            except StopIteration as end:
                return end.value
            raise RuntimeError("a wrapper must yield once")

        changed: ShouldRetry = self.ask((send, bound[1]), "should_retry", None, (Retry, GiveUp, Replay))
        return changed

    def after_request(self, outcome: Outcome) -> None:
        """Let every plugin give back what it took."""
        self._tell(self._hooks.after_request, "after_request", outcome)

    def on_finish(self, outcome: Outcome) -> None:
        """Tell of the end of the call."""
        self._tell(self._hooks.on_finish, "on_finish", outcome)

    def on_decision(self, decision: Decision, plugin: str) -> None:
        """Tell the observers."""
        for function, observer in self._hooks.on_decision:
            try:
                answer = function(self.call, decision, plugin)
                if answer is not None:
                    checked(answer, observer, "on_decision", ())
            except Exception as error:  # noqa: BLE001  # an observer must not harm the stream
                _report(observer, "on_decision", error)

    def _tell(self, bounds: tuple[Bound, ...], hook: str, outcome: Outcome) -> None:
        call = self.call
        for function, plugin in bounds:
            try:
                answer = function(call, outcome)
                if answer is not None:
                    checked(answer, plugin, hook, ())
            except Exception as error:  # noqa: BLE001  # the other plugins have to give back what they took, too
                _report(plugin, hook, error)

    def _obey(self, answer: Reject, plugin: str) -> None:
        self.on_decision(answer, plugin)
        raise rejection(answer)


def rejection(decision: Reject) -> Error:
    """Return the error of `decision`, marked as this client's own."""
    decision.error.origin = "local"
    return decision.error


def plugin_error(plugin: str, hook: str, what: str) -> PluginError:
    """Make the error for a bug in a plugin."""
    error = PluginError(f"plugin {plugin!r} {what} in {hook}")
    error.plugin, error.hook = plugin, hook
    return error


def raised(plugin: str, hook: str, error: Exception) -> PluginError:
    """Make the error for what a hook raised."""
    return plugin_error(plugin, hook, f"raised {type(error).__name__}")


def checked(answer: Any, plugin: str, hook: str, allowed: tuple[type, ...]) -> Any:
    """Return `answer`, which is not None. Raises PluginError when it is not one that the hook may give."""
    if not isinstance(answer, allowed):
        if inspect.iscoroutine(answer):
            answer.close()  # or it would warn that it was never awaited
        raise plugin_error(plugin, hook, f"returned {type(answer).__name__}")
    return answer


def _report(plugin: str, hook: str, error: BaseException) -> None:
    _log.error("plugin %r failed in %s; the stream goes on", plugin, hook, exc_info=error)
