"""The policy: where the next attempt goes when the present target has failed for good."""

import math
from collections.abc import Generator, Sequence
from typing import Any, ClassVar, Final, Self, Unpack

from attrs import define, field

from unbroken import (
    AuthenticationError,
    Call,
    CircuitOpenError,
    Clock,
    Error,
    EventTooLargeError,
    GiveUp,
    Inbox,
    Key,
    NetworkError,
    Order,
    Plugin,
    RateLimitError,
    Replay,
    Request,
    ServerError,
    StreamError,
    SystemClock,
    TimeoutError,
    TryAgain,
    hookimpl,
)
from unbroken.decisions import ShouldRetry

from ._config import FallbackConfig, FallbackOptions, without_traceback
from ._cooldowns import Cooldowns
from ._moving import moved
from ._slots import Slot, slots

LONGEST: Final = 86_400.0
"""Seconds. No hint of a server cools for longer."""
_OF_THE_TARGET = (NetworkError, TimeoutError, AuthenticationError, RateLimitError, ServerError, StreamError)
_LONG = ("first_event", "quiet")
_UNSENT = ("before", "connect")


@define(eq=False, repr=False)
class Trail:
    """Where one call has been."""

    slot: Slot
    """Where the current attempt goes."""
    moved: bool = False
    """Whether `Call.base` is the request for `slot` already."""
    tried: set[Slot] = field(factory=set[Slot])
    failed: set[int] = field(factory=set[int])
    """The targets that no other key can help."""

    def left(self, among: Sequence[Slot], *, of_the_key: bool, same_target: bool) -> list[Slot]:
        """Return where the call can still go, the other keys of the present target first."""
        here = self.slot.index
        left = [each for each in among if each is not self.slot and each not in self.tried]
        others = [] if same_target else [each for each in left if each.index != here and each.index not in self.failed]
        return [each for each in left if each.index == here and of_the_key] + others


class Fallback(Plugin):
    """Sends a call elsewhere when it has failed for good: ``Fallback(targets=[Target(url="https://eu.example.net")])``.

    The request's own endpoint is the first target. When the policies give up on a target before the commit, the next
    one is tried, each key of each target at most once per call and with its own retries. A target that has failed is
    passed over for `cooldown` seconds by all calls of this object, also as their first one; after a 429 only the key
    is, and a key that was refused (401) is not used again. If all are cooling, a call tries the one that recovers
    first. A wrong request (ValidationError) never moves on. The credentials of one target reach no other.
    """

    name: ClassVar[str] = "fallback"
    Config: ClassVar[type[Any]] = FallbackConfig
    order: ClassVar[tuple[Order, ...]] = (
        Order(("retry",), "the list reads as if all targets were retried together, but each has retries of its own"),
        Order(("circuit-breaker", "rate-limit"), "they count a call that begins at another target for the first one"),
    )
    config: FallbackConfig

    @without_traceback
    def __init__(self, config: FallbackConfig | None = None, /, **options: Unpack[FallbackOptions]) -> None:
        super().__init__(config, **options)
        self._slots = slots(self.config.targets)
        self._own = self._slots[0]
        self._trail: Key[Trail] = Key("fallback.trail")
        self._cooldowns = Cooldowns()
        self._inbox = Inbox()
        self._clock: Clock = SystemClock()

    def bind(self, relay: Any, clock: Clock) -> None:
        """Take the clock of a client."""
        self._clock = clock

    def adopt(self, old: Self) -> None:
        """Go on passing over what failed under `old`, if the targets and their keys are the same."""
        if self.config.targets == old.config.targets and not self._cooldowns:
            self._cooldowns, self._inbox = old._cooldowns, old._inbox

    def before_request(self, call: Call, request: Request) -> Request | None:
        """Return the request for the first target that is not cooling, None if that is its own."""
        trail = call.get(self._trail)
        if trail is None:
            if not self._cooldowns or call.attempts > 1:
                return None
            first = self._inbox.do(self._from_the_start, call)
            trail = Trail(next((slot for slot in first if self._moved(request, slot) is not None), self._own))
            call.set(self._trail, trail)
        return None if trail.moved else self._moved(request, trail.slot)

    def _from_the_start(self, call: Call) -> Sequence[Slot]:
        now = call.now()
        self._cooldowns.forget_expired(now)
        until = {slot: self._cooldowns.until(*slot.places(call)) for slot in self._slots}
        ready = [slot for slot in self._slots if until[slot] <= now]
        return ready or sorted(self._slots, key=until.__getitem__)

    @hookimpl(specname="should_retry", wrapper=True)
    def move_on(self, call: Call, error: Error) -> Generator[None, ShouldRetry, ShouldRetry]:
        """Return `TryAgain` at the next target when the policies have given up, otherwise what they decided.

        A retry at the same place is given up for a move after a timeout of minutes, and after a 429 if the target has
        another key.
        """
        answer = yield
        if call.committed_at is not None or isinstance(answer, Replay) or not _blames_the_target(error):
            return answer
        return self._moved_on(call, error, answer)

    def _moved_on(self, call: Call, error: Error, answer: ShouldRetry) -> ShouldRetry:
        retries, of_the_key = isinstance(answer, TryAgain), _is_of_the_key(error)
        trail = call.get(self._trail) or Trail(self._own)
        slot, found = trail.slot, None
        if not retries or isinstance(error, RateLimitError) or _took_minutes(error):
            left = trail.left(self._slots, of_the_key=of_the_key, same_target=retries and of_the_key)
            found = self._next(call, left)
        if found is None and retries:
            return answer
        if not self.config.shadow:
            self._inbox.do(self._cool, call, error, slot)
        if found is None:
            return answer
        following, request = found
        why = f": {answer.reason}" if isinstance(answer, GiveUp) and answer.reason else ""
        if not self.config.shadow:
            trail.tried.add(slot)
            trail.failed |= set() if of_the_key else {slot.index}
            trail.slot, trail.moved = following, True
            call.set(self._trail, trail)
        return TryAgain(request=request, fresh=True, reason=f"to {following.label}{why}", shadow=self.config.shadow)

    def _next(self, call: Call, left: Sequence[Slot]) -> tuple[Slot, Request] | None:
        """Return the first that is not cooling, and the request for it; None if there is none."""
        if not call.current.repeatable and call.phase not in _UNSENT:
            return None
        for slot in self._inbox.do(self._ready, call, left):
            if (request := self._moved(call.request, slot)) is not None:
                return slot, request
        return None

    def _ready(self, call: Call, left: Sequence[Slot]) -> list[Slot]:
        now = call.now()
        return [slot for slot in left if self._cooldowns.until(*slot.places(call)) <= now]

    def _cool(self, call: Call, error: Error, slot: Slot) -> None:
        if error.is_local:
            return  # the policy that refused knows by itself for how long
        target, key = slot.places(call)
        now, hint = call.now(), error.retry_after
        seconds = min(hint, LONGEST) if hint is not None and hint > 0 else self.config.cooldown
        if not _is_of_the_key(error):
            self._cooldowns.cool(target, now + seconds, now)
            return
        if error.status_code == 401 and slot.has_credentials:  # the caller's own may be others next time
            seconds = math.inf
        self._cooldowns.cool(key, now + seconds, now)

    def _moved(self, request: Request, slot: Slot) -> Request | None:
        return moved(request, slot, self.config.prefix)

    # Methods for users and operators.

    def place(self, call: Call) -> str:
        """Return where the current attempt goes: its origin, with the name of the target and the number of the key.

        As the `key` of a rate limit or a circuit breaker it keeps apart targets that have the same origin.
        """
        trail, origin = call.get(self._trail), call.current.origin
        return origin if trail is None or trail.slot is self._own else f"{origin} {trail.slot.label}"

    def snapshot(self) -> dict[str, float]:
        """Return the seconds for which each target or key is passed over, infinity for a key that was refused."""
        return self._inbox.do(self._cooldowns.left, self._clock.monotonic())

    def reset(self) -> None:
        """Use all targets and keys again, also those that were refused."""
        self._inbox.do(self._cooldowns.clear)


def _blames_the_target(error: Error) -> bool:
    """Return whether another target may do better: the failure is not of the request, nor of this client."""
    if error.is_local:
        return isinstance(error, CircuitOpenError | RateLimitError)
    if isinstance(error, EventTooLargeError) or (isinstance(error, TimeoutError) and error.timeout == "total"):
        return False
    return isinstance(error, _OF_THE_TARGET)


def _is_of_the_key(error: Error) -> bool:
    return isinstance(error, AuthenticationError | RateLimitError)


def _took_minutes(error: Error) -> bool:
    return isinstance(error, TimeoutError) and error.timeout in _LONG
