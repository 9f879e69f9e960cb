"""One call's life as a generator of effects: no I/O, no clock of its own, no HTTP library.

The driver sends the result of each effect back in, or throws the failure. Events are yielded one at a time: an event is
delivered when the consumer asks for it, so whoever leaves early has seen exactly what `Call.events` counts.
"""

from attrs import define, field

from ..call import Call, Outcome, Status
from ..decisions import GiveUp, Reject, Replay, Retry, ShouldRetry, Wait
from ..errors import Attempt, Error, PluginError, TruncatedStreamError
from ..messages import Request
from .attempt import AttemptRun, Limits, Steps, timed_out
from .effects import Close, Sleep
from .hook_calls import HookCalls, checked, raised, rejection
from .hooks import Hooks

_ANSWERS = (Wait, Reject, Replay)
ENGINE = "engine"
"""Who decides where the engine's own rules do."""


@define(eq=False)
class Engine:
    """Runs one call."""

    call: Call
    _hooks: Hooks
    _limits: Limits
    _hold: bool
    outcome: Outcome | None = field(default=None, init=False)
    """How the call ended; None while it runs."""
    _calls: HookCalls = field(init=False)
    _last_error: Error | None = field(default=None, init=False)
    _final: str = field(default="", init=False)
    """Why no policy is asked about the present failure; empty when they are."""
    _total: float | None = field(default=None, init=False)
    _sent: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._calls = HookCalls(self._hooks, self.call)

    def run(self) -> Steps:
        """Run the call to its end. Yields effects and events; raises the error of a call that failed."""
        call = self.call
        call.started_at = call.now()  # a stream may be entered long after it was made
        self._set_deadline(call.request)
        error: Error | None = None
        try:
            request: Request | None = call.request
            while request is not None:
                request = yield from self._attempt(request)
        except Error as failure:
            error = self._stamped(failure)
            raise
        except Exception as bug:
            error = self._stamped(self._foreign(bug))
            raise error from bug
        finally:
            status: Status = "success" if call.phase == "complete" else "cancelled"
            if error is not None:
                status = "failure" if self._sent else "rejected"
            duration = call.now() - call.started_at
            self.outcome = Outcome(status=status, error=error, attempt=call.attempt, duration=duration)
            self._calls.on_finish(self.outcome)

    def _attempt(self, request: Request) -> Steps:
        """Make one attempt. Returns the request of the next one, None when the call is complete."""
        call = self.call
        call.attempt += 1
        call.phase = "before"
        call.response = call.usage = None
        run = AttemptRun(call, self._calls, self._limits, self._hold)
        started = call.now()
        status: Status = "cancelled"
        error: Error | None = None
        try:
            failure, interrupt = yield from self._try(run, request)
            if interrupt is not None:
                raise interrupt
            if failure is not None:
                error = self._stamped(self._calls.on_error(self._stamped(failure)))
                status = "failure" if run.sent else "rejected"
        finally:
            if self.call.phase == "complete":
                status = "success"
            self._conclude(status, error, started)
        return None if error is None else (yield from self._after_failure(error))

    def _try(self, run: AttemptRun, request: Request) -> Steps:
        """Send, deliver, let go. Returns the failure and what interrupted it, None for what did not happen."""
        error: Error | None = None
        leaving: BaseException | None = None
        try:
            yield from self._send(run, request)
            self.call.phase = "complete"
        except Error as failure:
            error = failure
        except GeneratorExit:
            raise  # a generator that is being collected may not yield; its driver has already let go
        except Exception as bug:  # noqa: BLE001  # a dialect and a transport are plugins too
            error = self._foreign(bug)
        except BaseException as interrupt:  # noqa: BLE001  # raised again when everything is let go
            leaving = interrupt
        if not run.sent:
            return error, leaving
        self._sent = True
        try:
            yield Close(reusable=run.ended and leaving is None)
        except BaseException as interrupt:  # noqa: BLE001  # a cancellation, once all is let go
            leaving = interrupt
        return error, leaving

    def _conclude(self, status: Status, error: Error | None, started: float) -> None:
        call = self.call
        self._calls.after_request(
            Outcome(status=status, error=error, attempt=call.attempt, duration=call.now() - started)
        )

    def _send(self, run: AttemptRun, request: Request) -> Steps:
        """Ask the plugins, then do what came of it."""
        answer: Request | Replay = yield from self._before(request)
        if isinstance(answer, Replay):
            yield from self._replay(run, answer)
        else:
            self.call.current = answer
            yield from run.exchange(answer)

    def _before(self, request: Request) -> Steps:
        """Return the request to send, or the replay to give instead."""
        call = self.call
        for function, plugin in self._hooks.before_request:
            try:
                answer = function(call, request)
            except Exception as error:
                raise raised(plugin, "before_request", error) from error
            if answer is None:
                continue
            if isinstance(answer, Request):
                request = answer
                self._set_deadline(request)
                continue
            checked(answer, plugin, "before_request", _ANSWERS)
            if isinstance(answer, Wait) and self._too_long(answer.seconds):
                raise self._no_time(answer)
            self._calls.on_decision(answer, plugin)
            if isinstance(answer, Reject):
                raise rejection(answer)
            if isinstance(answer, Replay):
                return answer
            yield Sleep(answer.seconds)
        return request

    def _after_failure(self, error: Error) -> Steps:
        """Decide what follows a failed attempt. Returns the next request, None when the call is complete; or raises."""
        try:
            answer, plugin = self._verdict(error)
        except PluginError as bug:
            self._record(error, None, ENGINE)
            bug.__context__ = error
            raise
        self._record(error, answer, plugin)
        if answer is not None:
            self._calls.on_decision(answer, plugin)
        if isinstance(answer, Retry):
            self._last_error = error
            if answer.delay:
                yield Sleep(answer.delay)
            return answer.request or self.call.request
        if isinstance(answer, Replay):
            yield from self._replay(AttemptRun(self.call, self._calls, self._limits, self._hold), answer)
            self.call.phase = "complete"
            return None
        if answer is not None and answer.error is not None:
            raise answer.error from error
        raise error

    def _verdict(self, error: Error) -> tuple[ShouldRetry, str]:
        """Return what the policies say, or the engine's own rule where it forbids that. Raises PluginError."""
        if self._final:
            return GiveUp(reason=self._final), ENGINE
        if isinstance(error, PluginError):
            return None, ENGINE
        answer, plugin = self._calls.should_retry(error)
        repeats = isinstance(answer, Replay) or (isinstance(answer, Retry) and not answer.resume)
        if repeats and self.call.committed_at is not None:
            return GiveUp(reason="the consumer already has part of the stream"), ENGINE
        if isinstance(answer, Retry) and self._too_long(answer.delay):
            return GiveUp(reason=_passes(answer.delay)), ENGINE
        return answer, plugin

    def _record(self, error: Error, answer: ShouldRetry, plugin: str) -> None:
        """Put the failed attempt into the history that every error carries."""
        call = self.call
        attempt = Attempt(
            number=call.attempt,
            error=type(error).__name__,
            status_code=error.status_code,
            delay=answer.delay if isinstance(answer, Retry) else None,
            decided_by=None if answer is None else plugin,
            reason="" if answer is None or isinstance(answer, Replay) else answer.reason,
        )
        call.attempts = (*call.attempts, attempt)
        error.attempts = call.attempts

    def _replay(self, run: AttemptRun, replay: Replay) -> Steps:
        if replay.events:
            yield from run.deliver(replay.events, complete=True)

    def _set_deadline(self, request: Request) -> None:
        if request.timeouts is not None and request.timeouts.total is not None:
            self._total = request.timeouts.total
            self.call.deadline = self.call.started_at + self._total

    def _too_long(self, seconds: float) -> bool:
        remaining = self.call.remaining()
        return remaining is not None and seconds >= remaining

    def _no_time(self, wait: Wait) -> Error:
        """Return the error of a wait that would pass the deadline: what failed before, if anything did."""
        self._final = _passes(wait.seconds)
        if self._last_error is not None:
            return self._last_error
        error = timed_out("total", self._total)
        error.message = self._final
        error.retry_after = wait.seconds
        error.origin = "local"
        return error

    def _stamped(self, error: Error) -> Error:
        call = self.call
        error.request_id = error.request_id or call.id
        error.phase = error.phase or call.phase
        error.attempts = call.attempts
        if error.response_id is None and call.response is not None:
            error.response_id = call.response.headers.get(call.dialect.response_id_header)
        if isinstance(error, TruncatedStreamError) and call.committed_at is not None:
            error.retryable = False
        return error

    def _foreign(self, bug: Exception) -> Error:
        name = self.call.dialect.name
        error = PluginError(f"{type(bug).__name__} from the dialect {name!r} or the transport: it is a bug there")
        error.plugin = name
        error.__cause__ = bug
        return error


def _passes(seconds: float) -> str:
    return f"a wait of {seconds:g} s would pass the deadline"
