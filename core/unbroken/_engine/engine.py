"""The life of one call as a generator of effects: no I/O, no clock of its own, no HTTP library.

The driver sends the result of each effect back, or throws the failure. Events are yielded one at a time, each when the
consumer asks for it, so a consumer that leaves early has seen exactly `Call.events` events.
"""

from attrs import define, field

from ..call import HISTORY, Call, Outcome, Status
from ..decisions import GiveUp, Replay, ShouldRetry, TryAgain
from ..dialect import Reader
from ..errors import Attempt, Error, PluginError, StreamError, TruncatedStreamError
from ..framing import Limits
from ..secrets import clear_locals
from .attempt import AttemptRun
from .closing import Closing
from .delivery import Mode
from .effects import Close, Sleep, Steps
from .hook_calls import HookCalls, passes_deadline, passing, use_request
from .hooks import Hooks
from .notes import add_notes

ENGINE = "engine"
"""The name given for decisions by the engine's own rules."""


@define(eq=False)
class Engine:
    """Runs one call."""

    call: Call
    _hooks: Hooks
    _limits: Limits
    mode: Mode
    """May be changed until the call runs."""
    closing: Closing
    outcome: Outcome | None = field(default=None, init=False)
    """How the call ended; None while it runs."""
    reader: Reader = field(init=False)
    """The reader of the current attempt."""
    last: AttemptRun | None = field(default=None, init=False, repr=False)
    """The last attempt."""
    _calls: HookCalls = field(init=False)
    _sent: bool = field(default=False, init=False)
    _resumes: bool = field(default=False, init=False)
    """Whether the next attempt continues the stream of the last one."""
    _ended: Outcome | None = field(default=None, init=False)
    """How the present attempt ended."""

    def __attrs_post_init__(self) -> None:
        self._calls = HookCalls(self._hooks, self.call)
        self.reader = self.call.dialect

    def run(self) -> Steps[None]:
        """Run the call to its end. Yields effects and events; raises the error of a call that fails."""
        call = self.call
        call.started_at = call.now()  # a stream may be entered long after it was made
        use_request(call, call.base)
        error: Error | None = None
        try:
            try:
                while (failure := (yield from self._attempt())) is not None:
                    answer = self._verdict(failure)
                    if isinstance(answer, TryAgain):
                        yield from self._back_off(answer)
                    elif isinstance(answer, Replay):
                        yield from self._run().replay(answer.events)
                        break
                    elif answer is None or answer.error is None:
                        raise failure
                    else:
                        raise answer.error from failure
                call.phase = "complete"
            except Error as failure:
                error = self._stamped(failure)
                add_notes(error)
                raise
            except Exception as bug:
                error = self._stamped(self._foreign(bug))
                add_notes(error)
                raise error from bug
            finally:
                self._end(error)
        except BaseException:
            self._end(error)  # an interrupt may have come at any line above
            raise

    def found(self, exception: tuple[object, ...]) -> Error | None:
        """Return the exception that leaves the `with` block if it is a failure of this call that the consumer found.

        It has the id of the call, or none and says that a stream is wrong. No policy may retry it.
        """
        error = exception[1] if len(exception) > 1 else None
        if self.outcome is not None or not isinstance(error, Error):
            return None
        own = error.request_id is None and isinstance(error, StreamError | TruncatedStreamError)
        if not own and error.request_id != self.call.id:
            return None
        self._calls.final = "the consumer found the failure and has left"
        return error

    def _end(self, error: Error | None) -> None:
        """Note how the call ended and tell the plugins. Called again after an interrupt, does what that prevented."""
        call = self.call
        if self.outcome is None:
            status: Status = "success" if call.phase == "complete" else "cancelled"
            if error is not None:
                status = "failure" if self._sent else "rejected"
            duration = call.now() - call.started_at
            self.outcome = Outcome(status=status, error=error, attempts=call.attempts, duration=duration)
        self._calls.after_request(self._ended or self.outcome)
        self._calls.on_finish(self.outcome)

    def _attempt(self) -> Steps[Error | None]:
        """Make one attempt. Returns its failure, None if the call is complete."""
        call = self.call
        call.attempt += 1
        call.attempts += 1
        call.phase = "before"
        call.response = call.usage = call.sent_at = call.first_content_at = None
        self._ended = None
        use_request(call, call.base)
        run = self._run()
        started = call.now()
        self._calls.begin_attempt()
        status: Status = "cancelled"
        error: Error | None = None
        try:
            failure, interrupt = yield from self._exchange(run)
            if interrupt is not None:
                raise interrupt
            if failure is not None:
                call.error = error = self._stamped(self._calls.on_error(self._stamped(failure)))
                status = "failure" if run.sent else "rejected"
        finally:
            if self.call.phase == "complete":
                status = "success"
            duration = call.now() - started
            self._ended = Outcome(status=status, error=error, attempts=call.attempts, duration=duration)
            self._calls.after_request(self._ended)
        return error

    def _exchange(self, run: AttemptRun) -> Steps[tuple[Error | None, BaseException | None]]:
        """Send, deliver and close. Returns the failure and the interrupt, each None if it did not happen.

        =========================================  ===========  =============  ====================================
        what ended the attempt                     failure      interrupt      the connection may be reused
        =========================================  ===========  =============  ====================================
        a complete stream                          None         None           yes
        an Error                                   the error    None           if the body was read to its end
        another exception: a dialect's bug, say    PluginError  None           if the body was read to its end
        `Leave`, a cancellation, Ctrl-C            None         the exception  no
        a cancellation while closing               as above     the exception  the exchange is closed already
        =========================================  ===========  =============  ====================================

        The caller raises the interrupt again. If nothing was sent, there is nothing to close.
        """
        error: Error | None = None
        interrupt: BaseException | None = None
        try:
            yield from run.run()
            self.call.phase = "complete"
        except Error as failure:
            error = failure
        except GeneratorExit:
            raise  # a generator that is being closed may not yield; the driver has already closed the exchange
        except Exception as bug:  # noqa: BLE001  # raised by a dialect or a transport, which are plugins too
            error = self._foreign(bug)
        except BaseException as leaving:  # noqa: BLE001  # raised again after the exchange is closed
            interrupt = leaving
        if not run.sent:
            return error, interrupt
        self._sent = True
        try:
            yield Close(reusable=run.ended and interrupt is None)
        except BaseException as leaving:  # noqa: BLE001  # a cancellation, raised after the exchange was closed
            interrupt = leaving
        return error, interrupt

    def _verdict(self, error: Error) -> ShouldRetry:
        """Return the decision about a failed attempt, after adding it to the history and running `on_decision`.

        Raises PluginError if a policy has a bug.
        """
        try:
            answer, by = self._decide(error)
        except PluginError as bug:
            self._record(error, None, ENGINE)
            bug.__context__ = error
            raise
        self._record(error, answer, by)
        if answer is not None:
            self._calls.on_decision(answer, by)
        return answer

    def _decide(self, error: Error) -> tuple[ShouldRetry, str]:
        """Return the decision of the policies, or of the engine where its rules forbid that, and who made it."""
        call = self.call
        if self._calls.final:
            return GiveUp(reason=self._calls.final), ENGINE
        if isinstance(error, PluginError):
            return None, ENGINE
        answer, by = self._calls.should_retry(error)
        repeats = isinstance(answer, Replay) or (isinstance(answer, TryAgain) and not answer.resume)
        if repeats and call.committed_at is not None:
            return GiveUp(reason="the consumer already has part of the stream"), ENGINE
        if isinstance(answer, TryAgain) and passes_deadline(call, answer.delay):
            return GiveUp(reason=passing(answer.delay)), ENGINE
        return answer, by

    def _back_off(self, answer: TryAgain) -> Steps[None]:
        """Wait before the next attempt, and set the request from which it starts."""
        call = self.call
        if answer.delay:
            yield Sleep(answer.delay)
        if answer.request is not None:
            call.base = answer.request
        if answer.fresh:
            call.attempt = 0
        if not answer.resume:
            call.last_event_id = ""  # of a stream that is not gone on with
        self._resumes = answer.resume and call.committed_at is not None

    def _run(self) -> AttemptRun:
        run = AttemptRun(self.call, self._calls, self._limits, self.mode, self.closing)
        if self._resumes and self.last is not None:
            run.continues(self.last)
            self._resumes = False
        self.reader = self.call.reader = run.reader
        self.last = run
        return run

    def _record(self, error: Error, answer: ShouldRetry, plugin: str) -> None:
        """Add the failed attempt to the history of the call and of the error."""
        call = self.call
        attempt = Attempt(
            number=call.attempts,
            error=type(error).__name__,
            status_code=error.status_code,
            delay=answer.delay if isinstance(answer, TryAgain) else None,
            decided_by=None if answer is None else plugin,
            reason="" if answer is None or isinstance(answer, Replay) else answer.reason,
        )
        call.history = error.history = (*call.history[1 - HISTORY :], attempt)

    def _stamped(self, error: Error) -> Error:
        clear_locals(error)
        call = self.call
        error.request_id = error.request_id or call.id
        error.phase = error.phase or call.phase
        error.attempts, error.history = call.attempts, call.history
        error.delivered = call.events > 0
        if error.response_id is None and call.response is not None:
            error.response_id = call.response.headers.get(call.dialect.response_id_header)
        return error

    def _foreign(self, bug: Exception) -> Error:
        name = self.call.dialect.name
        error = PluginError(
            f"{type(bug).__name__} from the dialect {name!r} or the transport: it is a bug there", plugin=name
        )
        error.__cause__ = bug
        return error
