"""The queue of one key: all buckets are charged together or not at all, in the order of arrival, behind one gate.

The turn of a place is the earliest time, not before the places in front of it, at which every bucket has the units.
Until then the place waits, and the buckets do not know it; at its turn it is granted, which means charged. Whatever
changes the buckets, the gate or the places in front changes the turns of all that wait. With one bucket of burst 1 that
gains one unit per second, and without a ramp:

===  ============================  ================  =======================================================
t    step                          turns             because
===  ============================  ================  =======================================================
0    A, B and C enter              A: 0, B: 1, C: 2  A is granted at once, B and C wait
0.5  the gate closes until 3       B: 3, C: 4        nobody is granted behind a closed gate
1    B is cancelled                C: 3              C moves up: the bucket never had the charge of B
1    D enters                      C: 3, D: 4        it gets its turn behind all waiting places
3    C is granted, then cancelled  D: 3              `Bucket.give_back` returns the charge, and D is granted
===  ============================  ================  =======================================================

The caller of a waiting place sleeps until the turn that it was told. Only the first place must be told of a change at
once, by its signal: the others wake up later, or are told when they have become the first. So a change costs the same
however many wait, and all turns are computed only for a newcomer.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from math import inf
from typing import Final

from attrs import define, field

from unbroken import Signal

from ._costs import Costs
from ._gate import Gate
from ._gcra import Bucket
from ._plan import Plan
from ._state import KeyState
from ._tokens import NO_TOKENS, Tokens

# Shorter than the resolution of any clock: a rounding error of a sum, not a wait.
NOTHING: Final = 1e-9


@define(eq=False)
class Place:
    """A place in a queue: what one attempt has reserved. Times are monotonic seconds."""

    queue: "Queue"
    arrived_at: float
    turn: float = field(alias="at")
    """The turn, as computed last; see `at`."""
    charged: list[float]
    """Units of each bucket of the queue."""
    estimated: Tokens = NO_TOKENS
    """The tokens that the attempt will probably use."""
    events_before: int = 0
    """Events that the call had delivered before this attempt."""
    chance: float = 0.0
    """Where in its step of the ramp the place has its turn, in [0, 1)."""
    mark: int = field(default=0, init=False)
    """The mark of the charge in the buckets; 0 while the place waits."""
    told: float = field(default=inf, init=False)
    """When the caller of a waiting place wakes up by itself."""
    signal: Signal = field(factory=Signal, init=False)
    """Wakes it up earlier."""

    @property
    def at(self) -> float:
        """The present turn."""
        if not self.mark:
            self.queue.plan()
        return self.turn


@define(eq=False)
class Queue:
    """The limits of one key. Changed only inside the plugin's `Inbox`, one change at a time.

    The buckets have the charges of granted places only. So a waiting place that is cancelled leaves nothing in them.
    """

    kinds: tuple[str, ...]
    """The kinds of units that are limited, such as ``requests``."""
    buckets: tuple[Bucket, ...]
    """One bucket for each kind."""
    gate: Gate = field(factory=Gate)
    # Both are in the order of arrival; `_places` has granted places too.
    _places: dict[Place, None] = field(factory=dict[Place, None], init=False)
    _waiting: dict[Place, None] = field(factory=dict[Place, None], init=False)
    _last: float = field(default=-inf, init=False)
    """The turn of the place that was granted last."""
    _plan: Plan | None = field(default=None, init=False)
    """None if it must be computed again."""
    _marks: Iterator[int] = field(factory=lambda: count(1), init=False)
    _learned: int = field(default=0, init=False)

    @property
    def is_gated(self) -> bool:
        """Whether the gate is closed, or the ramp behind it is not over."""
        return self.gate.until > -inf

    def next_turn(self, units: Sequence[float], now: float, chance: float = 0.0) -> float:
        """Return the turn that a place with these `units` of each bucket would get if it entered `now`."""
        if self._waiting:
            self._grant(now)
        if self._waiting:
            return self.plan().turn(units, chance, now)
        at = now
        if self.gate.until > -inf:
            if self.gate.is_over(now):
                self.gate.open()
            else:
                at = self.gate.turn(now, chance, self.gate.steps)
        for index, bucket in enumerate(self.buckets):
            earliest = bucket.earliest(units[index], bucket.full_at)
            if earliest > at:
                at = earliest
        return at

    def enter(self, place: Place) -> None:
        """Add `place`, whose turn is the one that `next_turn` returned."""
        self._places[place] = None
        if place.turn <= place.arrived_at:
            self._charge(place)
            return
        if self._waiting:
            self.plan().add(place.charged, place.turn)
        else:
            self._plan = None
        place.told = place.turn
        self._waiting[place] = None

    def ask(self, place: Place, now: float) -> float:
        """Return the seconds that `place` must still wait, which its caller is told now; 0.0 if it is its turn."""
        if not place.mark:
            self._grant(now + NOTHING)
        if place.mark or place not in self._places:
            return 0.0
        place.told, place.signal = place.at, Signal()
        return max(NOTHING, place.told - now)

    def cancel(self, place: Place, now: float) -> None:
        """Remove `place` and give back its charge: nothing was sent. Does nothing the second time."""
        if place not in self._places:
            return
        self._grant(now)
        if place in self._waiting:
            del self._waiting[place]
        elif place.mark:
            self._settle(place, [0.0] * len(self.buckets), now)
        del self._places[place]
        self._changed(now)

    def settle(self, place: Place, units: list[float], now: float) -> None:
        """Correct the charge of `place`, which was sent, to `units` in total."""
        if place not in self._places:
            return
        if self._waiting:
            self._grant_sent(place, now)
        if units != place.charged:
            self._settle(place, units, now)
            self._changed(now)

    def leave(self, place: Place) -> None:
        """Remove `place`; its charge stays. Does nothing the second time."""
        self._places.pop(place, None)

    def close_gate(self, until: float, now: float) -> None:
        """Close the gate until `until`, after which the ramp begins. A gate that is closed for longer stays so."""
        self._grant(now)
        if self.gate.close(until):
            self._changed(now)

    def pass_gate(self, now: float, chance: float) -> float:
        """Return when a place that has been granted may pass the gate, which has closed since. Uses a step."""
        gate = self.gate
        at = gate.turn(now, chance, gate.steps)
        gate.steps = gate.used(at, gate.steps)
        self._changed(now)
        return at

    def learn(self, place: Place, left: Mapping[str, float], now: float) -> bool:
        """Lower each kind to what the response to `place` says is `left`. Return whether the response was used.

        Requests are sent in the order of their marks. A response to an earlier request than the last one that was used
        is out of date and changes nothing.
        """
        self._grant_sent(place, now)
        if place.mark < self._learned:
            return False
        self._learned = place.mark
        for kind, bucket in zip(self.kinds, self.buckets, strict=True):
            if kind in left:
                bucket.shrink(left[kind], now, next(self._marks))
        self._changed(now)
        return True

    def reset(self, now: float) -> None:
        """Open the gate, without a ramp, and fill the buckets."""
        self._grant(now)
        self.gate.open()
        for bucket in self.buckets:
            bucket.reset(next(self._marks))
        self._changed(now)

    def adjust(self, buckets: Mapping[str, Bucket], costs: Costs, growth: float | None, now: float) -> None:
        """Go on with other limits, of which `buckets` are full and `costs` are the costs.

        What is missing stays missing, and what has been granted is counted by new limits too. Waiting places keep
        their order and get new turns.
        """
        self._grant(now)
        before = dict(zip(self.kinds, self.buckets, strict=True))
        charged = {place: dict(zip(self.kinds, place.charged, strict=True)) for place in self._places}
        self.kinds, self.buckets, self.gate.growth = tuple(buckets), tuple(buckets.values()), growth
        for kind, bucket in buckets.items():
            if kind in before:
                bucket.adopt(before[kind], now)
        for place in sorted(self._places, key=lambda place: place.mark):
            units = dict(zip(self.kinds, costs.units(NO_TOKENS, place.estimated), strict=True))
            if place.mark:
                for kind in buckets.keys() - before.keys():
                    buckets[kind].take(units[kind], now, place.mark, noted=True)
                units |= {kind: charge for kind, charge in charged[place].items() if kind in buckets}
            place.charged = list(units.values())
        self._plan = None
        self._changed(now)

    def in_use(self, now: float) -> bool:
        """Return whether there is any place, or the gate is closed."""
        return bool(self._places) or self.gate.until > now

    def at_rest(self, now: float) -> bool:
        """Return whether this queue is in the same state as a new one."""
        rests = not self._places and self.gate.is_over(now)
        return rests and all(bucket.full_at <= now for bucket in self.buckets)

    def state(self, now: float) -> KeyState:
        """Return the state at `now`."""
        self._grant(now)
        return KeyState(
            levels={kind: bucket.level(now) for kind, bucket in zip(self.kinds, self.buckets, strict=True)},
            waiting=len(self._waiting),
            in_flight=len(self._places) - len(self._waiting),
            gate=max(0.0, self.gate.until - now),
        )

    def plan(self) -> Plan:
        """Compute the turns of all waiting places, unless nothing has changed since the last time."""
        plan = self._plan
        if plan is None:
            plan = self._plan = Plan.begin(self.buckets, self.gate, self._last)
            for place in self._waiting:
                place.turn = plan.turn(place.charged, place.chance)
                plan.add(place.charged, place.turn)
        return plan

    def _changed(self, now: float) -> None:
        """Grant what may be granted after a change, and tell the first place that waits if its turn is earlier now."""
        if self._waiting:
            self._plan = None
            self._grant(now, now)

    def _grant(self, now: float, earliest: float = -inf) -> None:
        """Charge the waiting places whose turn has come, none of which can have been before `earliest`."""
        while self._waiting:
            first = next(iter(self._waiting))
            turn = Plan.begin(self.buckets, self.gate, self._last).turn(first.charged, first.chance, earliest)
            if first.told > max(turn, now) + NOTHING and not first.signal.is_set:
                first.signal.set()
            if turn > now:
                break
            del self._waiting[first]
            first.turn = turn
            self._charge(first)

    def _grant_sent(self, place: Place, now: float) -> None:
        """Charge `place` too if it was sent before its turn."""
        self._grant(now)
        if place in self._waiting:
            del self._waiting[place]
            place.turn = now
            self._charge(place)
            self._changed(now)

    def _charge(self, place: Place) -> None:
        place.mark = next(self._marks)
        self._last = at = place.turn
        if self.gate.until > -inf:
            self.gate.steps = self.gate.used(at, self.gate.steps)
        noted = bool(self._places)
        for index, bucket in enumerate(self.buckets):
            bucket.take(place.charged[index], at, place.mark, noted=noted)

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
