"""The policy: when the next attempt may be sent, and what it used."""

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Final, Unpack

from unbroken import (
    Call,
    Clock,
    Error,
    Event,
    Inbox,
    Key,
    Outcome,
    Plugin,
    QuotaExceededError,
    RateLimitError,
    Reject,
    Request,
    Response,
    SystemClock,
    Wait,
    hookimpl,
)

from ._config import RateLimitConfig, RateLimitOptions
from ._costs import Costs
from ._keys import Keys
from ._learning import closed_for, left
from ._queue import KeyState, Place, Queue
from ._tokens import NO_TOKENS, Tokens, checked, estimate, input_of, spent, was_sent

# Shorter than the resolution of any clock: a rounding error of a sum, not a wait.
_NOTHING: Final = 1e-9


_PLACE: Key[Place] = Key("rate-limit.place")


class RateLimit(Plugin):
    """Keeps the calls of a key within its limits: ``RateLimit(requests=50, tokens=40_000)``.

    Each call learns on arrival when its turn is, in the order of arrival, and waits until then. If that is longer than
    `max_wait` or not before the deadline, it is rejected at once: RateLimitError, with the wait in `retry_after`. A
    call reserves its estimated cost. If nothing is sent, that is given back; otherwise it is settled by the server's
    own count. A 429 from the server makes all calls of the key wait as long as it asks; without any limit set, that is
    all that this policy does.
    """

    name: ClassVar[str] = "rate-limit"
    Config: ClassVar[type[Any]] = RateLimitConfig
    config: RateLimitConfig

    def __init__(self, config: RateLimitConfig | None = None, /, **options: Unpack[RateLimitOptions]) -> None:
        super().__init__(config, **options)
        buckets = self.config.buckets()
        self._costs = Costs(buckets)
        self._limited = bool(buckets)
        self._learns = self.config.learn_from_headers and self._limited
        self._inbox = Inbox()
        self._keys = Keys(self._queue, self.config.max_keys)
        self._clock: Clock = SystemClock()

    def bind(self, relay: Any, clock: Clock) -> None:
        """Take the clock of a client."""
        self._clock = clock

    def before_request(self, call: Call, request: Request) -> Wait | Reject | None:
        """Take a place in the queue: return None to send now, `Wait` until the turn, or `Reject`."""
        if not self._limited and not self._keys:
            return None  # no limit is set, and no gate was ever closed
        estimated = self._estimated(call) if self._costs.in_tokens else NO_TOKENS
        units = self._costs.units(NO_TOKENS, estimated)
        return self._inbox.do(self._enter, call, self._key(call), units, estimated)

    def _enter(self, call: Call, key: Hashable, units: list[float], estimated: Tokens) -> Wait | Reject | None:
        now = call.now()
        queue = self._keys.get(key, now)
        at = queue.next_turn(units, now)
        wait = at - now
        if wait <= _NOTHING:
            if units:
                self._take(call, queue, units, now, at, estimated)
            return None
        refusal = self._refusal(call, wait, wait)
        if refusal is not None:
            return refusal
        self._take(call, queue, units, now, at, estimated)
        return Wait(wait, "rate limit")

    def _take(self, call: Call, queue: Queue, units: list[float], now: float, at: float, estimated: Tokens) -> None:
        place = Place(queue, now, at, units, estimated, call.events)
        call.set(_PLACE, place)  # before it is taken, so that an interrupt cannot lose it
        queue.enter(place)

    @hookimpl(specname="before_request", trylast=True)
    def look_again(self, call: Call, request: Request) -> Wait | Reject | None:
        """Run just before sending: wait longer, or reject, if the gate has closed in the meantime."""
        if not self._limited and not self._keys:
            return None
        place = call.get(_PLACE)
        if place is None:
            return None if self._limited else self.before_request(call, request)
        now, at, gate = call.now(), place.at, place.queue.gate
        wait = max(at, gate) - now
        if wait <= _NOTHING:
            return None
        return self._refusal(call, wait, now + wait - place.arrived_at) or Wait(wait, "the gate has closed")

    def on_response(self, call: Call, response: Response) -> None:
        """Learn from the headers what the server says is left."""
        if not self._learns:
            return
        place = call.get(_PLACE)
        statuses = call.dialect.rate_limits(response.headers, response.received_at)
        if place is None or not statuses:
            return
        # One window at most: after that the next request finds out what the server says by then.
        closed = min(closed_for(statuses), self.config.per)
        self._inbox.put(_learn, call, place, left(statuses), closed)

    def on_commit(self, call: Call, event: Event) -> None:
        """Settle the input tokens, if the server has counted them: that count does not change any more."""
        if not self._costs.in_tokens or call.usage is None or call.usage.input_tokens is None:
            return
        place = call.get(_PLACE)
        if place is None:
            return
        real = Tokens(input_of(call.usage, 0.0))
        units = self._costs.units(real, Tokens(0, place.estimated.output))
        self._inbox.put(_settle, call, place, units)

    def after_request(self, call: Call, outcome: Outcome) -> None:
        """Settle what the attempt used, and close the gate if the server asks for it."""
        place = call.get(_PLACE)
        if place is not None and not was_sent(call):
            self._inbox.put(_cancel, call, place)
        elif place is not None:
            units = place.charged
            if self._costs.in_tokens:
                units = self._costs.units(spent(call, place.estimated, place.events_before))
            self._inbox.put(_leave, call, place, units)
        call.pop(_PLACE)  # not before: after an interrupt this hook is called again, and all of it may be repeated
        closed = 0.0 if outcome.error is None else self._asked_to_wait(outcome.error)
        if closed > 0.0:
            self._inbox.put(self._close_gate, call, self._key(call), closed)

    def _close_gate(self, call: Call, key: Hashable, seconds: float) -> None:
        now = call.now()
        self._keys.get(key, now).close_gate(now + seconds, now)

    def snapshot(self) -> dict[Hashable, KeyState]:
        """Return the present state of each remembered key. Without limits these are the keys that ever had a 429."""
        return self._inbox.do(self._snapshot)

    def _snapshot(self) -> dict[Hashable, KeyState]:
        now = self._clock.monotonic()
        return {key: queue.state(now) for key, queue in self._keys.all()}

    def reset(self) -> None:
        """Open all gates and fill all buckets. Calls that already wait keep their turns."""
        self._inbox.do(self._reset)

    def _reset(self) -> None:
        for _, queue in self._keys.all():
            queue.reset(self._clock.monotonic())

    def _queue(self) -> Queue:
        buckets = self.config.buckets()
        return Queue(tuple(buckets), tuple(buckets.values()))

    def _estimated(self, call: Call) -> Tokens:
        function = self.config.estimate
        return estimate(call) if function is None else checked(function(call))

    def _key(self, call: Call) -> Hashable:
        key = self.config.key
        return call.request.origin if key is None else key(call)

    def _asked_to_wait(self, error: Error) -> float:
        """Return the seconds that a 429 of the server asks for, else 0.0. Waiting does not help with a spent quota."""
        asks = isinstance(error, RateLimitError) and not isinstance(error, QuotaExceededError)
        return error.retry_after or 0.0 if asks and not error.is_local and self.config.gate_on_429 else 0.0

    def _refusal(self, call: Call, wait: float, altogether: float) -> Reject | None:
        """Return the `Reject` of a call that would wait too long, None if it may wait. Times are seconds.

        `wait` starts now, `altogether` includes what the call has already waited.
        """
        longest, remaining = self.config.max_wait, call.remaining()
        if longest is not None and altogether > longest:
            why = f"longer than max_wait of {longest:g} s"
        elif remaining is not None and wait >= remaining:
            why = f"and the deadline in {max(0.0, remaining):.3g} s"
        else:
            return None
        return Reject(RateLimitError(f"rate limit: the next turn is in {wait:.3g} s, {why}", retry_after=wait))


# Changes that the hooks make to a place. They run in the inbox, one at a time.


def _learn(call: Call, place: Place, left: Mapping[str, float], closed: float) -> None:
    now = call.now()
    if place.queue.learn(place, left, now) and closed > 0.0:
        place.queue.close_gate(now + closed, now)


def _settle(call: Call, place: Place, units: list[float]) -> None:
    place.queue.settle(place, units, call.now())


def _leave(call: Call, place: Place, units: list[float]) -> None:
    place.queue.settle(place, units, call.now())
    place.queue.leave(place)


def _cancel(call: Call, place: Place) -> None:
    place.queue.cancel(place, call.now())
