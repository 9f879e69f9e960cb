"""The queue of one key: all buckets are charged together or not at all, in the order of arrival, behind one gate.

A place gets its turn on arrival: the earliest time, not before the places in front of it, at which every bucket has the
units. Until then the place waits, and the buckets do not know it; at its turn it is granted, which means charged. With
one bucket of burst 1 that gains one unit per second:

===  ============================  ================  =======================================================
t    step                          turns             because
===  ============================  ================  =======================================================
0    A, B and C enter              A: 0, B: 1, C: 2  A is granted at once, B and C wait
0.5  the gate closes until 3       B: 3, C: 4        waiting places keep their order and their distances
1    B is cancelled                C: 4              the bucket never had the charge of B; C keeps its turn
1    D enters                      C: 4, D: 5        it gets its turn behind all waiting places
4    C is granted, then cancelled  D: 5              `Bucket.give_back` returns the charge; D keeps its turn
===  ============================  ================  =======================================================
"""

from collections.abc import Mapping, Sequence
from itertools import count
from math import inf

from attrs import define, field, frozen

from ._gcra import Bucket
from ._tokens import NO_TOKENS, Tokens


@frozen(kw_only=True)
class KeyState:
    """The state of one key, from `RateLimit.snapshot`."""

    levels: dict[str, float]
    """Units left of each configured limit; negative is a debt. Waiting calls have not taken theirs yet."""
    waiting: int
    """Calls that wait for their turn."""
    in_flight: int
    """Calls whose turn has come and that have not ended. Without limits a call that did not wait is not counted."""
    gate: float
    """Seconds until the gate opens, which a 429 or the headers have closed; 0.0 if it is open."""


@define(eq=False)
class Place:
    """A place in a queue: what one attempt has reserved. Times are monotonic seconds."""

    queue: "Queue"
    arrived_at: float
    at: float
    """The turn. A gate that closes moves it to later."""
    charged: list[float]
    """Units of each bucket of the queue."""
    estimated: Tokens = NO_TOKENS
    """The tokens that the attempt will probably use."""
    events_before: int = 0
    """Events that the call had delivered before this attempt."""
    mark: int = 0
    """The mark of the charge in the buckets; 0 while the place waits."""


@define(eq=False)
class Queue:
    """The limits of one key. Changed only inside the plugin's `Inbox`, one change at a time.

    The buckets have the charges of granted places only. So a waiting place that is cancelled leaves nothing in them.
    """

    kinds: tuple[str, ...]
    """The kinds of units that are limited, such as ``requests``."""
    buckets: tuple[Bucket, ...]
    """One bucket for each kind."""
    gate: float = field(default=-inf, init=False)
    """No turn is before this time."""
    # Both are in the order of arrival; `_places` has granted places too.
    _places: dict[Place, None] = field(factory=dict[Place, None], init=False)
    _waiting: dict[Place, None] = field(factory=dict[Place, None], init=False)
    # When each bucket will be full after the charges of all waiting places; None if it must be computed again.
    _ends: list[float] | None = field(default=None, init=False)
    _marks: "count[int]" = field(factory=lambda: count(1), init=False)
    _learned: int = field(default=0, init=False)

    def next_turn(self, units: Sequence[float], now: float) -> float:
        """Return the turn that a place with these `units` of each bucket would get if it entered `now`."""
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

    def enter(self, place: Place) -> None:
        """Add `place`, whose turn is the one that `next_turn` returned."""
        units, at = place.charged, place.at
        self._places[place] = None
        if at > place.arrived_at:
            if self._waiting:
                ends = self._planned()
                for index, bucket in enumerate(self.buckets):
                    ends[index] = bucket.after(units[index], at, ends[index])
            else:
                self._ends = None
            self._waiting[place] = None
        else:
            self._charge(place)

    def cancel(self, place: Place, now: float) -> None:
        """Remove `place` and give back its charge: nothing was sent. Does nothing the second time."""
        if place not in self._places:
            return
        self._grant(now)
        self._ends = None
        if place in self._waiting:
            del self._waiting[place]
        elif place.mark:
            self._settle(place, [0.0] * len(self.buckets), now)
        del self._places[place]

    def settle(self, place: Place, units: list[float], now: float) -> None:
        """Correct the charge of `place`, which was sent, to `units` in total."""
        if place not in self._places:
            return
        if self._waiting:
            self._grant_sent(place, now)
        if units != place.charged:
            self._ends = None
            self._settle(place, units, now)

    def leave(self, place: Place) -> None:
        """Remove `place`; its charge stays. Does nothing the second time."""
        self._places.pop(place, None)

    def close_gate(self, until: float, now: float) -> None:
        """Close the gate until `until`. Waiting places keep their order and their distances."""
        self.gate = max(self.gate, until)
        self._grant(now)
        first = next(iter(self._waiting), None)
        if first is not None and first.at < self.gate:
            later = self.gate - first.at
            for place in self._waiting:
                place.at = max(place.at + later, self.gate)  # a sum is rounded, and may be before the gate
            self._ends = None

    def learn(self, place: Place, left: Mapping[str, float], now: float) -> bool:
        """Lower each kind to what the response to `place` says is `left`. Return whether the response was used.

        Requests are sent in the order of their marks. A response to an earlier request than the last one that was used
        is out of date and changes nothing.
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
        """Open the gate and fill the buckets. Waiting places keep their turns."""
        self._grant(now)
        self._ends = None
        self.gate = -inf
        for bucket in self.buckets:
            bucket.reset(next(self._marks))

    def in_use(self, now: float) -> bool:
        """Return whether there is any place, or the gate is closed."""
        return bool(self._places) or self.gate > now

    def at_rest(self, now: float) -> bool:
        """Return whether this queue is in the same state as a new one."""
        return not self.in_use(now) and all(bucket.full_at <= now for bucket in self.buckets)

    def state(self, now: float) -> KeyState:
        """Return the state at `now`."""
        self._grant(now)
        return KeyState(
            levels={kind: bucket.level(now) for kind, bucket in zip(self.kinds, self.buckets, strict=True)},
            waiting=len(self._waiting),
            in_flight=len(self._places) - len(self._waiting),
            gate=max(0.0, self.gate - now),
        )

    def _grant(self, now: float) -> None:
        """Charge the waiting places whose turn has come."""
        while self._waiting:
            first = next(iter(self._waiting))
            if first.at > now:
                break
            del self._waiting[first]
            self._charge(first)

    def _grant_sent(self, place: Place, now: float) -> None:
        """Charge `place` too if it was sent before its turn: its timer fired early, or the gate has closed since."""
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
                # One window's worth at most, so that no number from a server can close a bucket forever.
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
