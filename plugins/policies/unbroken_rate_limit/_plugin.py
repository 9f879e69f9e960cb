"""The policy: when the next attempt may be sent, and what it used."""

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Self, Unpack

import attrs

from unbroken import (
    Call,
    Clock,
    Error,
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
    Usage,
    Wait,
    hookimpl,
)
from unbroken.validators import checked_seconds

from ._config import RateLimitConfig, RateLimitOptions
from ._keys import Keys
from ._learning import closed_for, left
from ._queue import NOTHING, Place, Queue
from ._state import KeyState
from ._tokens import NO_TOKENS, Tokens, checked, counted, estimate, spent, was_sent


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
        # Of this object alone, as another limiter may be in the list.
        self._place: Key[Place] = Key("rate-limit.place")
        self._key_of: Key[Hashable] = Key("rate-limit.key")
        """For an attempt without a place. Plugins behind this one may send it elsewhere."""
        self._learns = self.config.learn_from_headers
        self._inbox = Inbox()
        self._keys = Keys(self.config)
        """With the limits: if another limiter has taken them over, they are its limits from then on."""
        self._clock: Clock = SystemClock()

    def bind(self, relay: Any, clock: Clock) -> None:
        """Take the clock of a client."""
        self._clock = clock

    def adopt(self, old: Self) -> None:
        """Go on with the queues of `old`, which are common to both from now on, under the limits of this one.

        A limiter that has queues of its own keeps them.
        """
        if self._keys is old._keys or not self._keys:
            old._inbox.do(self._take_over, old, self._clock.monotonic())

    def _take_over(self, old: Self, now: float) -> None:
        self._keys, self._inbox = old._keys, old._inbox
        self._keys.adjust(self.config, now)

    def before_request(self, call: Call, request: Request) -> Wait | Reject | None:
        """Take a place in the queue: return None to send now, `Wait` until the turn, or `Reject`."""
        decision = self._decided(call)
        return decision if decision is None or not self.config.shadow else attrs.evolve(decision, shadow=True)

    def _decided(self, call: Call) -> Wait | Reject | None:
        place = call.get(self._place)
        if place is not None:
            return self._inbox.do(self._ask, call, place)
        key = self._key(call)
        costs = self._keys.costs
        if not costs.limited:
            call.set(self._key_of, key)
            if not self._keys:
                return None  # no gate was ever closed
        estimated = self._estimated(call) if costs.in_tokens else NO_TOKENS
        return self._inbox.do(self._enter, call, key, estimated)

    def _enter(self, call: Call, key: Hashable, estimated: Tokens) -> Wait | Reject | None:
        now = call.now()
        queue = self._keys.get(key, now)
        units = self._keys.costs.units(NO_TOKENS, estimated)
        chance = call.random() if queue.is_gated else 0.0
        at = queue.next_turn(units, now, chance)
        wait = at - now
        refusal = None if wait <= NOTHING else self._refusal(call, wait, wait)
        if refusal is not None:
            return refusal
        place = Place(queue, now, at, units, estimated, call.events, chance)
        if units or queue.is_gated:
            call.set(self._place, place)  # before it is taken, so that an interrupt cannot lose it
            queue.enter(place)
        return None if wait <= NOTHING else Wait(wait, "rate limit", until=place.signal)

    def _ask(self, call: Call, place: Place) -> Wait | Reject | None:
        """Run after a wait, which may have ended early, or not be long enough by now."""
        now = call.now()
        wait = place.queue.ask(place, now)
        if wait == 0.0:
            return None
        return self._refusal(call, wait, now + wait - place.arrived_at) or Wait(wait, "rate limit", until=place.signal)

    @hookimpl(specname="before_request", trylast=True)
    def look_again(self, call: Call, request: Request) -> Wait | Reject | None:
        """Run just before sending: wait longer, or reject, if the gate has closed in the meantime."""
        limited = self._keys.costs.limited
        if self.config.shadow or (not limited and not self._keys):
            return None
        place = call.get(self._place)
        if place is None or not place.mark:
            return None if place is None and limited else self._decided(call)
        if place.queue.gate.until - call.now() <= NOTHING:
            return None
        return self._inbox.do(self._pass_gate, call, place)

    def _pass_gate(self, call: Call, place: Place) -> Wait | Reject | None:
        now = call.now()
        wait = place.queue.pass_gate(now, call.random()) - now
        return self._refusal(call, wait, now + wait - place.arrived_at) or Wait(wait, "the gate has closed")

    def on_response(self, call: Call, response: Response) -> None:
        """Learn from the headers what the server says is left."""
        if not self._learns:
            return
        if not self._keys.costs.limited and not _may_be_spent(response):
            return  # reading the headers costs more than all the rest of this policy
        statuses = call.dialect.rate_limits(response.headers, response.received_at)
        if not statuses:
            return
        # One window at most: after that the next request finds out what the server says by then.
        closed = min(closed_for(statuses), self.config.per)
        place = call.get(self._place)
        if place is not None:
            self._inbox.put(_learn, call, place, left(statuses), closed)
        elif closed > 0.0 and not self._keys.costs.limited:
            self._inbox.put(self._close_gate, call, call.get(self._key_of), closed)

    def on_usage(self, call: Call, usage: Usage) -> None:
        """Settle the tokens that the server has counted, while the answer goes on."""
        place = call.get(self._place) if self._keys.costs.in_tokens else None
        if place is not None:
            self._inbox.put(self._settle, call, place, *counted(usage, place.estimated))

    def after_request(self, call: Call, outcome: Outcome) -> None:
        """Close the gate if the server asks for it, and settle what the attempt used."""
        place = call.get(self._place)
        closed = 0.0 if outcome.error is None else self._asked_to_wait(outcome.error)
        if closed > 0.0 and place is not None:
            self._inbox.put(_close, call, place.queue, closed)
        elif closed > 0.0:
            self._inbox.put(self._close_gate, call, call.get(self._key_of), closed)
        if place is not None and not was_sent(call):
            self._inbox.put(_cancel, call, place)
        elif place is not None:
            in_tokens = self._keys.costs.in_tokens
            used = spent(call, place.estimated, place.events_before) if in_tokens else NO_TOKENS
            self._inbox.put(self._leave, call, place, used)
        call.pop(self._place)  # not before: after an interrupt this hook is called again, and all of it may be repeated

    def _settle(self, call: Call, place: Place, certain: Tokens, expected: Tokens) -> None:
        place.queue.settle(place, self._keys.costs.units(certain, expected), call.now())

    def _leave(self, call: Call, place: Place, used: Tokens) -> None:
        costs = self._keys.costs
        place.queue.settle(place, costs.units(used) if costs.in_tokens else place.charged, call.now())
        place.queue.leave(place)

    def _close_gate(self, call: Call, key: Hashable, seconds: float) -> None:
        _close(call, self._keys.get(key, call.now()), seconds)

    def snapshot(self) -> dict[Hashable, KeyState]:
        """Return the present state of each remembered key. Without limits these are the keys that ever had a 429."""
        return self._inbox.do(self._snapshot)

    def _snapshot(self) -> dict[Hashable, KeyState]:
        now = self._clock.monotonic()
        return {key: queue.state(now) for key, queue in self._keys.all()}

    def pause(self, key: Hashable, seconds: float) -> None:
        """Start no call of `key` for `seconds`, then ramp up: another process was asked to wait, say."""
        self._inbox.do(self._pause, key, checked_seconds(seconds))

    def _pause(self, key: Hashable, seconds: float) -> None:
        now = self._clock.monotonic()
        self._keys.get(key, now).close_gate(now + seconds, now)

    def reset(self) -> None:
        """Open all gates and fill all buckets. Calls that wait move up."""
        self._inbox.do(self._reset)

    def _reset(self) -> None:
        for _, queue in self._keys.all():
            queue.reset(self._clock.monotonic())

    def _estimated(self, call: Call) -> Tokens:
        function = self.config.estimate
        return estimate(call) if function is None else checked(function(call))

    def _key(self, call: Call) -> Hashable:
        key = self.config.key
        return call.current.origin if key is None else key(call)

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


def _may_be_spent(response: Response) -> bool:
    """Return whether any header is zero, as one must be that says that nothing is left."""
    return any(value == "0" for _, value in response.headers.items())


# Changes that the hooks make to a place. They run in the inbox, one at a time.


def _learn(call: Call, place: Place, left: Mapping[str, float], closed: float) -> None:
    now = call.now()
    if place.queue.learn(place, left, now) and closed > 0.0:
        place.queue.close_gate(now + closed, now)


def _close(call: Call, queue: Queue, seconds: float) -> None:
    now = call.now()
    queue.close_gate(now + seconds, now)


def _cancel(call: Call, place: Place) -> None:
    place.queue.cancel(place, call.now())
