"""Calls hooks by the contract of plugin authors: what is a decision, what is a bug, and which bugs are contained."""

import inspect
import logging
from collections.abc import Callable, Generator
from typing import Any

from ..call import Call, Outcome
from ..decisions import DROP, FINISH, Decision, GiveUp, OnEvent, Reject, Replay, ShouldRetry, TryAgain, Wait
from ..errors import Error, PluginError, TimeoutError
from ..messages import Event, Request, Response, Usage
from .effects import Sleep, Steps
from .hooks import Bound, Hooks
from .timing import timed_out

Wrapper = Generator[None, ShouldRetry, ShouldRetry]
"""A `should_retry` with ``@hookimpl(wrapper=True)``: it yields once, is sent the decision, and returns its own."""

_ANSWERS = (TryAgain, GiveUp, Replay)

# The engine logs only this: a plugin has a bug, and the stream goes on.
_log = logging.getLogger("unbroken")


class HookCalls:
    """Calls the hooks of a client for one call."""

    __slots__ = ("_hooks", "_to_finish", "_to_give_back", "_total_told", "call", "final", "finishing", "watched")

    def __init__(self, hooks: Hooks, call: Call) -> None:
        self._hooks = hooks
        self.call = call
        self.watched = bool(hooks.on_event or hooks.on_event_by_type)
        """Whether any plugin implements `on_event`."""
        self.finishing = False
        """Whether a plugin returned FINISH."""
        self.final = ""
        """If not empty, the reason why this failure may not be retried."""
        self._to_give_back: list[Bound] = []
        self._total_told = False
        self._to_finish: list[Bound] = list(hooks.on_finish)

    def begin_attempt(self) -> None:
        """Note that `after_request` is due for an attempt."""
        self._to_give_back = list(self._hooks.after_request)

    def before_request(self) -> Steps[Request | Replay]:
        """Run `before_request`: plugins change, delay, reject or answer `request`.

        Returns the request to send, or the `Replay` to deliver instead. Raises the error of a `Reject`.
        """
        call = self.call
        for bound in self._hooks.before_request:
            answer = self._proposed(bound)
            while isinstance(answer, Wait):
                yield Sleep(answer.seconds, answer.until)
                answer = None if answer.until is None else self._proposed(bound)
            if isinstance(answer, Request):
                use_request(call, answer)
            elif answer is not None:
                return answer
        return call.current

    def _proposed(self, bound: Bound) -> Request | Wait | Replay | None:
        """Run one `before_request`. Raises the error of a `Reject`, or of a wait that would reach the deadline."""
        call, (function, plugin) = self.call, bound
        try:
            answer: Any = function(call, call.current)
        except Exception as error:
            raise _raised(plugin, "before_request", error) from error
        if answer is None or isinstance(answer, Request):
            return answer
        _checked(answer, plugin, "before_request", (Wait, Reject, Replay))
        if isinstance(answer, Wait) and not answer.shadow and passes_deadline(call, answer.seconds):
            raise self._no_time(answer)
        if isinstance(answer, Reject):
            self._obey(answer, plugin)
            return None
        self.on_decision(answer, plugin)
        return None if answer.shadow else answer

    def on_response(self, response: Response) -> None:
        """Run `on_response`. Raises the error of a `Reject`."""
        for bound in self._hooks.on_response:
            answer = self._ask(bound, "on_response", response, (Reject,))
            if answer is not None:
                self._obey(answer, bound[1])

    def on_commit(self, event: Event) -> None:
        """Run `on_commit`. Raises PluginError."""
        for function, plugin in self._hooks.on_commit:
            try:
                answer = function(self.call, event)
            except Exception as error:
                raise _raised(plugin, "on_commit", error) from error
            if answer is not None:
                _checked(answer, plugin, "on_commit", ())

    def on_usage(self, usage: Usage) -> None:
        """Run `on_usage`. Raises PluginError."""
        for bound in self._hooks.on_usage:
            self._ask(bound, "on_usage", usage, ())

    def on_event(self, event: Event) -> Event | None:
        """Run `on_event`. Returns the event to deliver, None if it was dropped. Raises the error of a `Reject`."""
        hooks = self._hooks
        finishing = False
        for bound in hooks.on_event_by_type.get(event.type, hooks.on_event):
            try:
                answer: OnEvent = bound[0](self.call, event)
            except Exception as error:
                raise _raised(bound[1], "on_event", error) from error
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
                self._obey(_checked(answer, bound[1], "on_event", (Reject,)), bound[1])
        self.finishing = finishing
        return event

    def on_error(self, error: Error) -> Error:
        """Run `on_error`. Returns `error` as the plugins replace it; a PluginError stays, or it could be retried."""
        if isinstance(error, PluginError):
            return error
        for bound in self._hooks.on_error:
            try:
                error = self._ask(bound, "on_error", error, (Error,)) or error
            except PluginError as bug:
                bug.__context__ = error
                return bug
        return error

    def should_retry(self, error: Error) -> tuple[ShouldRetry, str]:
        """Run `should_retry` inside its wrappers. Returns the decision and who made it. Raises PluginError."""
        entered: list[tuple[Wrapper, str]] = []
        try:
            for function, plugin in self._hooks.retry_wrappers:
                wrapper = function(self.call, error)
                entered.append((wrapper, plugin))
                yielded = _guarded(plugin, "should_retry", next, wrapper)
                _checked(yielded, plugin, "should_retry", (type(None),))
            answer, by = self._first_answer(error)
            while entered:
                wrapper, plugin = entered.pop()
                changed = _guarded(plugin, "should_retry", _result, wrapper, answer)
                if changed is answer:
                    continue
                _checked(changed, plugin, "should_retry", (*_ANSWERS, type(None)))
                if changed is not None and changed.shadow:
                    self.on_decision(changed, plugin)
                else:
                    answer, by = changed, plugin
            return answer, by
        finally:
            for wrapper, plugin in reversed(entered):  # wrappers that will not be resumed clean up now
                try:
                    wrapper.close()
                except Exception as bug:  # noqa: BLE001  # its decision is not needed, so the call goes on
                    _report(plugin, "should_retry", bug)

    def _first_answer(self, error: Error) -> tuple[ShouldRetry, str]:
        for bound in self._hooks.should_retry:
            answer: ShouldRetry = self._ask(bound, "should_retry", error, _ANSWERS)
            if answer is None:
                continue
            if not answer.shadow:
                return answer, bound[1]
            self.on_decision(answer, bound[1])
        return None, "engine"

    def after_request(self, outcome: Outcome) -> None:
        """Run `after_request`, in which plugins release what they took, for all that have not run it. Bugs are logged.

        May be called again after an interrupt. The plugin that was interrupted is called again.
        """
        left = self._to_give_back
        while left:
            self._tell(left[0], "after_request", outcome)
            del left[0]

    def on_finish(self, outcome: Outcome) -> None:
        """Run `on_finish`. May be called again after an interrupt, and calls no plugin twice."""
        left = self._to_finish
        while left:
            self._tell(left.pop(0), "on_finish", outcome)

    def would_expire(self, error: TimeoutError) -> None:
        """Tell the observers of a timeout that is tried out; of the total timeout once per call."""
        if error.timeout != "total" or not self._total_told:
            self._total_told = self._total_told or error.timeout == "total"
            self.on_decision(Reject(error, shadow=True), "engine")

    def on_decision(self, decision: Decision, plugin: str) -> None:
        """Tell the observers of a decision by `plugin`."""
        for bound in self._hooks.on_decision:
            self._tell(bound, "on_decision", decision, plugin)

    def _tell(self, bound: Bound, hook: str, *payload: object) -> None:
        function, plugin = bound
        try:
            answer = function(self.call, *payload)
            if answer is not None:
                _checked(answer, plugin, hook, ())
        except Exception as error:  # noqa: BLE001  # the other plugins must still release what they took
            _report(plugin, hook, error)

    def _ask(self, bound: Bound, hook: str, payload: Any, allowed: tuple[type, ...]) -> Any:
        """Call one hook and return its answer. Raises PluginError if it raises or returns what it may not."""
        function, plugin = bound
        try:
            answer = function(self.call, payload)
        except Exception as error:
            raise _raised(plugin, hook, error) from error
        return None if answer is None else _checked(answer, plugin, hook, allowed)

    def _obey(self, answer: Reject, plugin: str) -> None:
        """Report a rejection, and raise its error, marked as this client's own, unless it is made in shadow."""
        answer.error.is_local = True
        self.on_decision(answer, plugin)
        if not answer.shadow:
            raise answer.error

    def _no_time(self, wait: Wait) -> Error:
        """Return the error for a wait that would reach the deadline.

        It is the failure of the last failed attempt or, without one, a local TimeoutError of the total timeout.
        """
        call = self.call
        self.final = passing(wait.seconds)
        if call.error is not None:
            return call.error
        timeouts = call.current.timeouts
        error = timed_out("total", None if timeouts is None else timeouts.total)
        error.message, error.retry_after, error.is_local = self.final, wait.seconds, True
        return error


def use_request(call: Call, request: Request) -> None:
    """Make `request` the current one, and set the deadline of the call from its total timeout."""
    call.current = request
    timeouts = request.timeouts
    if timeouts is not None and timeouts.total is not None and not timeouts.shadow:
        call.deadline = call.started_at + timeouts.total


def passes_deadline(call: Call, seconds: float) -> bool:
    """Return whether a wait of `seconds` would reach the deadline of the call."""
    remaining = call.remaining()
    return remaining is not None and seconds >= remaining


def passing(seconds: float) -> str:
    """Return the reason given for not waiting beyond the deadline."""
    return f"a wait of {seconds:g} s would pass the deadline"


def plugin_error(plugin: str, hook: str, what: str) -> PluginError:
    """Return the error for a bug in a plugin."""
    return PluginError(f"plugin {plugin!r} {what} in {hook}", plugin=plugin, hook=hook)


def _raised(plugin: str, hook: str, error: Exception) -> PluginError:
    return plugin_error(plugin, hook, f"raised {type(error).__name__}")


def _guarded(plugin: str, hook: str, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except Exception as error:
        raise _raised(plugin, hook, error) from error


def _result(wrapper: Wrapper, answer: ShouldRetry) -> ShouldRetry:
    """Send `answer` to a wrapper and return the wrapper's own answer."""
    try:
        wrapper.send(answer)
    except StopIteration as end:
        changed: ShouldRetry = end.value
        return changed
    wrapper.close()
    raise RuntimeError("a wrapper must yield once")


def _checked(answer: Any, plugin: str, hook: str, allowed: tuple[type, ...]) -> Any:
    """Return `answer`, which is not None. Raises PluginError if the hook may not return it."""
    if not isinstance(answer, allowed):
        if inspect.iscoroutine(answer):
            answer.close()  # otherwise Python warns that it was never awaited
        raise plugin_error(plugin, hook, f"returned {type(answer).__name__}")
    return answer


def _report(plugin: str, hook: str, error: BaseException) -> None:
    _log.error("plugin %r failed in %s; the stream goes on", plugin, hook, exc_info=error)
