"""The queue of one key: all buckets are charged together or not at all, in the order of arrival, behind one gate."""

from collections.abc import Mapping, Sequence
from itertools import count
from math import inf

from attrs import define, field, frozen

from ._gcra import Bucket
from ._tokens import NO_TOKENS, Tokens


@frozen(kw_only=True)
class KeyState:
    """What `RateLimit.snapshot` says of one key."""

    levels: dict[str, float]
    """Units left of each configured limit, negative when there is a debt. Who waits has not taken any yet."""
    waiting: int
    """Calls that have a place in the queue."""
    in_flight: int
    """Calls whose time has come, and which have not ended; without limits they leave no trace and are not counted."""
    gate: float
    """Seconds until the gate that a 429 closed opens; 0.0 when it is open."""


@define(eq=False)
class Place:
    """A place in a queue: what one attempt has reserved."""

    queue: "Queue"
    arrived_at: float
    at: float
    """When it is this one's turn. It moves, later, only when the gate closes."""
    charged: list[float]
    """Units, for each bucket of the queue."""
    estimated: Tokens = NO_TOKENS
    """What the attempt is thought to take."""
    events_before: int = 0
    """Events that the call had delivered when it came."""
    mark: int = 0
    """Of the charge; 0 while it waits."""


@define(eq=False)
class Queue:
    """The limits of one key. Whoever uses it holds the plugin's lock.

    The buckets know what was granted. What waits is added when its time has come, so that it can go without a trace.
    """

    kinds: tuple[str, ...]
    """What is limited."""
    buckets: tuple[Bucket, ...]
    """How much, for each kind."""
    gate: float = field(default=-inf, init=False)
    """Nobody's turn is before this."""
    # Both in the order of arrival.
    _places: dict[Place, None] = field(factory=dict[Place, None], init=False)
    _waiting: dict[Place, None] = field(factory=dict[Place, None], init=False)
    # When each bucket will be full after all who wait; None when that has to be worked out anew.
    _ends: list[float] | None = field(default=None, init=False)
    _marks: "count[int]" = field(factory=lambda: count(1), init=False)
    _learned: int = field(default=0, init=False)

    def next_turn(self, units: Sequence[float], now: float) -> float:
        """Return when it would be the turn of one who comes `now` and wants `units` of each bucket."""
        at = self.gate if self.gate > now else now  # noqa: FURB136  # max() and zip() would double the time
        if self._waiting:
            self._grant(now)
        if self._waiting:
            return self._turn_behind(units, at)
        for index, bucket in enumerate(self.buckets):
            earliest = bucket.earliest(units[index], bucket.full_at)
            if earliest > at:
                at = earliest
        return at

    def enter(
        self, units: list[float], now: float, at: float, estimated: Tokens = NO_TOKENS, events_before: int = 0
    ) -> Place:
        """Take the place that `next_turn` named."""
        place = Place(self, now, at, units, estimated, events_before)
        if at > now:
            if self._waiting:
                ends = self._planned()
                for index, bucket in enumerate(self.buckets):
                    ends[index] = bucket.after(units[index], at, ends[index])
            else:
                self._ends = None
            self._waiting[place] = None
        else:
            self._charge(place)
        self._places[place] = None
        return place

    def cancel(self, place: Place, now: float) -> None:
        """Forget `place` and what it was charged: nothing was sent."""
        self._grant(now)
        self._ends = None
        del self._places[place]
        if place in self._waiting:
            del self._waiting[place]
        else:
            self._settle(place, [0.0] * len(self.buckets), now)

    def settle(self, place: Place, units: list[float], now: float) -> None:
        """Charge `place`, which was sent, `units` in all."""
        if self._waiting:
            self._grant_sent(place, now)
        if units != place.charged:
            self._ends = None
            self._settle(place, units, now)

    def leave(self, place: Place) -> None:
        """Forget `place`; what it was charged stays so."""
        del self._places[place]

    def close_gate(self, until: float, now: float) -> None:
        """Let nobody pass before `until`; those who wait keep their order and their distances."""
        self.gate = max(self.gate, until)
        self._grant(now)
        first = next(iter(self._waiting), None)
        if first is not None and first.at < self.gate:
            later = self.gate - first.at
            for place in self._waiting:
                place.at = max(place.at + later, self.gate)  # a sum is rounded, and may be before the gate
            self._ends = None

    def learn(self, place: Place, left: Mapping[str, float], now: float) -> bool:
        """Leave no more than is `left` of each kind, as the answer to `place` says.

        Returns whether that was news: requests are sent in the order of their marks, so an answer to an earlier one
        says less than what is known already.
        """
        self._grant_sent(place, now)
        if place.mark < self._learned:
            return False
        self._learned = place.mark
        self._ends = None
        for kind, bucket in zip(self.kinds, self.buckets, strict=True):
            if kind in left:
                bucket.shrink(left[kind], now, next(self._marks))
        return True

    def reset(self, now: float) -> None:
        """Open the gate and fill the buckets. Those who wait keep their places."""
        self._grant(now)
        self._ends = None
        self.gate = -inf
        for bucket in self.buckets:
            bucket.reset(next(self._marks))

    def in_use(self, now: float) -> bool:
        """Say whether somebody has a place, or the gate is closed."""
        return bool(self._places) or self.gate > now

    def at_rest(self, now: float) -> bool:
        """Say whether a new queue would be just like this one."""
        return not self.in_use(now) and all(bucket.full_at <= now for bucket in self.buckets)

    def state(self, now: float) -> KeyState:
        """Describe the queue."""
        self._grant(now)
        return KeyState(
            levels={kind: bucket.level(now) for kind, bucket in zip(self.kinds, self.buckets, strict=True)},
            waiting=len(self._waiting),
            in_flight=len(self._places) - len(self._waiting),
            gate=max(0.0, self.gate - now),
        )

    def _grant(self, now: float) -> None:
        """Charge those whose time has come."""
        while self._waiting:
            first = next(iter(self._waiting))
            if first.at > now:
                break
            del self._waiting[first]
            self._charge(first)

    def _grant_sent(self, place: Place, now: float) -> None:
        """Charge `place` too, if a timer that rang early or the gate has put its time after its sending."""
        self._grant(now)
        if place in self._waiting:
            del self._waiting[place]
            self._ends = None
            place.at = now
            self._charge(place)

    def _charge(self, place: Place) -> None:
        place.mark = next(self._marks)
        noted = bool(self._places)
        for index, bucket in enumerate(self.buckets):
            bucket.take(place.charged[index], place.at, place.mark, noted=noted)

    def _settle(self, place: Place, units: list[float], now: float) -> None:
        charged = place.charged
        for index, bucket in enumerate(self.buckets):
            more = units[index] - charged[index]
            if more > 0.0:
                # A window's worth at most: no number that a server sends can close a bucket for ever.
                more = min(more, bucket.limit)
                bucket.take(more, now, next(self._marks), noted=True)
            elif more < 0.0:
                bucket.give_back(-more, place.mark)
            charged[index] += more

    def _turn_behind(self, units: Sequence[float], at: float) -> float:
        last = next(reversed(self._waiting)).at
        ends = zip(self.buckets, units, self._planned(), strict=True)
        return max(at, last, *(bucket.earliest(wanted, end) for bucket, wanted, end in ends))

    def _planned(self) -> list[float]:
        if self._ends is None:
            self._ends = [bucket.full_at for bucket in self.buckets]
            for place in self._waiting:
                for index, bucket in enumerate(self.buckets):
                    self._ends[index] = bucket.after(place.charged[index], place.at, self._ends[index])
        return self._ends
