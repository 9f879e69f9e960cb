"""The policy: whether to make another attempt, and when."""

from typing import Any, ClassVar, Self, Unpack

import attrs

from unbroken import decisions
from unbroken.call import Call, Key
from unbroken.error_bodies import error_class
from unbroken.errors import Error, NetworkError, QuotaExceededError, TimeoutError
from unbroken.messages import Event, Request
from unbroken.plugin import Order, Plugin

from ._backoff import Backoff, delay, initial_delay
from ._budget import Allowance
from ._config import RetryConfig, RetryOptions

_LONG = {"first_event": "no content within first_event, twice", "quiet": "no progress within quiet, twice"}
_UNSENT = ("before", "connect")


class Retry(Plugin):
    """Retries failures before the commit that another attempt can cure: ``Retry(max_retries=5)``.

    It returns None for all other failures, so that other policies can decide about them. It waits as long as the
    server asks, never less. A first_event timeout is retried at most once per target, as each takes minutes. It gives
    up at once, with the original error, when the retries are used up, when the wait
    would exceed `max_retry_after` or the deadline, or when the budget that all calls of this object share is spent.
    ``Retry-After: 0`` is no hint, so the back-off applies; after any other hint the back-off starts again from the
    first delay.

    A stream that was lost behind the commit, or whose request must not be sent twice, is continued behind its last
    event if its dialect has a request for that (`Dialect.resume_request`): one of the same retries, at the earliest
    after the server's ``retry:``.
    """

    name: ClassVar[str] = "retry"
    Config: ClassVar[type[Any]] = RetryConfig
    order: ClassVar[tuple[Order, ...]] = (
        Order(
            ("circuit-breaker",),
            "the circuit gets one verdict per call, after all retries, and cannot stop an attempt when it opens",
        ),
        Order(("rate-limit",), "only the first attempt pays, retries go past the limit"),
    )
    config: RetryConfig

    def __init__(self, config: RetryConfig | None = None, /, **options: Unpack[RetryOptions]) -> None:
        super().__init__(config, **options)
        # Of this object alone, as another retry policy may be in the list.
        self._backoff: Key[Backoff] = Key("retry.backoff")
        self._silent: Key[int] = Key("retry.silent")
        self._bucket = None if self.config.budget is None else Allowance(self.config.budget)

    def adopt(self, old: Self) -> None:
        """Go on with what is left of the budget of `old`, unless this one has been used already."""
        budget, mine, bucket = self.config.budget, self._bucket, old._bucket
        if budget is None or mine is None or bucket is None or not (mine is bucket or mine.is_untouched):
            return
        bucket.adjust(budget)
        self._bucket = bucket

    def on_commit(self, call: Call, event: Event) -> None:
        """Count a call whose first attempt succeeded, unless it was replayed without being sent."""
        bucket, now = self._bucket, call.committed_at
        if bucket is not None and now is not None and call.response is not None and not call.history:
            bucket.deposit(now)

    def should_retry(self, call: Call, error: Error) -> decisions.ShouldRetry:
        """Return `TryAgain` or `GiveUp` for a failure before the commit that another attempt can cure, else None."""
        decision = self._decided(call, error)
        return decision if decision is None or not self.config.shadow else attrs.evolve(decision, shadow=True)

    def _decided(self, call: Call, error: Error) -> decisions.TryAgain | decisions.GiveUp | None:
        rest = _rest(call, error)
        if call.committed_at is not None and rest is None:
            return None
        # Counted now, not at the start: a call may take longer to fail than the window of the budget.
        if self._bucket is not None and not call.history and not error.is_local and call.committed_at is None:
            self._bucket.deposit(call.now())
        if not self._curable(call, error):
            return None
        if self.config.respect_should_retry and error.should_retry is False:
            return decisions.GiveUp(reason="x-should-retry: false")
        if rest is None and not _is_repeatable(call) and call.phase not in _UNSENT:
            return decisions.GiveUp(reason="the server may have the request, which must not be sent twice")
        if (in_vain := self._waited_in_vain(call, error)) is not None:
            return decisions.GiveUp(reason=in_vain)
        if call.attempt > self.config.max_retries:
            return decisions.GiveUp(reason=f"max_retries {self.config.max_retries} reached")
        hint = max(error.retry_after or 0.0, (call.reconnection_time or 0.0) if rest is not None else 0.0)
        again = self._as_asked(call, error, hint) if hint > 0 else self._back_off(call, error)
        if rest is None or isinstance(again, decisions.GiveUp):
            return again
        return attrs.evolve(again, request=rest, resume=True, reason=f"{again.reason}, behind the last event")

    def _curable(self, call: Call, error: Error) -> bool:
        if isinstance(error, QuotaExceededError):  # waiting does not help, whatever the headers say
            return False
        if error.is_local:
            return self.config.retry_local and error.retryable
        if self.config.respect_should_retry and error.should_retry is True:
            return True
        if _is_http(call, error):
            return error.status_code in self.config.retry_statuses
        return error.retryable

    def _as_asked(self, call: Call, error: Error, hint: float) -> decisions.TryAgain | decisions.GiveUp:
        config, remaining = self.config, call.remaining()
        if hint > config.max_retry_after:
            over = f"max_retry_after of {config.max_retry_after:g} s"
            return decisions.GiveUp(reason=f"retry_after of {hint:g} s is over the {over}")
        if remaining is not None and hint >= remaining:
            return _too_late(hint, remaining)
        # Jitter only lengthens the wait, and only up to the limits that the hint itself was checked against.
        exact = error.is_local or config.jitter_kind == "none"
        latest = min(hint if exact else hint * (1 + config.jitter), config.max_retry_after)
        latest = latest if remaining is None else min(latest, remaining)
        call.pop(self._backoff)
        return self._retry(call, error, min(hint + (latest - hint) * call.random(), latest), "as asked")

    def _back_off(self, call: Call, error: Error) -> decisions.TryAgain | decisions.GiveUp:
        if call.attempt == 1 < call.attempts:  # the first at another target, after `TryAgain(fresh=True)`
            call.pop(self._backoff)
        backoff, remaining = call.get(self._backoff) or Backoff(), call.remaining()
        seconds = delay(self.config, initial_delay(self.config, error), backoff, call.random())
        if remaining is not None and seconds >= remaining:
            return _too_late(seconds, remaining)
        call.set(self._backoff, Backoff(backoff.times + 1, seconds))
        return self._retry(call, error, seconds, "backed off")

    def _retry(self, call: Call, error: Error, seconds: float, how: str) -> decisions.TryAgain | decisions.GiveUp:
        """Take a retry from the budget, before the wait and only after every other check has passed."""
        # A request that never left this client was no load on the server, so trying again costs no budget.
        if self._bucket is not None and not error.is_local and not self._bucket.withdraw(call.now()):
            return decisions.GiveUp(reason="retry budget exhausted")
        return decisions.TryAgain(seconds, reason=f"retry {call.attempt} of {self.config.max_retries}, {how}")

    def _waited_in_vain(self, call: Call, error: Error) -> str | None:
        """Return what to say of the second timeout of minutes at this target, None if it is none; note the first.

        More of them would make the user wait for half an hour. `quiet` is retried where nothing was delivered before.
        """
        if not isinstance(error, TimeoutError) or error.timeout not in _LONG:
            return None
        target = call.attempts - call.attempt  # the attempts before `TryAgain(fresh=True)` changed the target
        if call.get(self._silent) == target:
            return _LONG[error.timeout]
        call.set(self._silent, target)
        return None


def _rest(call: Call, error: Error) -> Request | None:
    """Return the request for the rest of a stream that was lost and may not be asked for from its start.

    None if the server has said why it failed, or if the dialect knows no such request.
    """
    if call.committed_at is None and _is_repeatable(call):
        return None
    lost = isinstance(error, (NetworkError, TimeoutError)) and error.kind is None and not error.is_local
    return call.dialect.resume_request(call) if lost or _is_http(call, error) else None


def _is_repeatable(call: Call) -> bool:
    return call.current.repeatable and call.request.repeatable  # one may be the request for the rest of the other


def _is_http(call: Call, error: Error) -> bool:
    """Return whether the HTTP status decided about `error`: not a number or a name in its body, nor an event."""
    status = error.status_code
    if status is None or status < 400 or not isinstance(error, error_class(status)):
        return False
    return call.response is None or call.response.status_code == status


def _too_late(seconds: float, remaining: float) -> decisions.GiveUp:
    return decisions.GiveUp(
        reason=f"deadline in {max(0.0, remaining):.3g} s, before the wait of {seconds:.3g} s is over"
    )
