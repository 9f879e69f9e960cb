"""The queue of one key: the bound, the order, and the gate, for any arrivals, costs and cancellations."""

from collections.abc import Sequence
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from unbroken_rate_limit._gate import Gate
from unbroken_rate_limit._gcra import Bucket
from unbroken_rate_limit._queue import Place, Queue

# (units per second, burst) of each bucket.
LIMITS = ((1.0, 3.0), (50.0, 400.0))
SLACK = 1e-6


def make_queue(limits: Sequence[tuple[float, float]] = LIMITS) -> Queue:
    """Make a queue whose window is a second."""
    kinds = ("requests", "tokens")[: len(limits)]
    return Queue(kinds, tuple(Bucket(rate, 1, burst) for rate, burst in limits))


def arrive(queue: Queue, units: list[float], now: float) -> Place:
    """Take the next place, however far it is."""
    return entered(queue, units, now, queue.next_turn(units, now))


def entered(queue: Queue, units: list[float], now: float, at: float) -> Place:
    """Take the place whose time is `at`."""
    place = Place(queue, now, at, units)
    queue.enter(place)
    return place


def assert_bound(grants: list[tuple[float, Sequence[float]]], limits: Sequence[tuple[float, float]]) -> None:
    """E62, counted from the grants alone: in any window of length t at most burst + rate · t."""
    grants = sorted(grants, key=lambda grant: grant[0])
    for index, (rate, burst) in enumerate(limits):
        for first, (start, _) in enumerate(grants):
            total = 0.0
            for at, units in grants[first:]:
                total += units[index]
                assert total <= burst + rate * (at - start) + SLACK * (1 + burst)


ARRIVALS = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0, 12)),
        st.one_of(st.floats(0, 400), st.just(400.0)),
        st.sampled_from(["keep", "keep", "keep", "cancel now", "cancel later", "less", "gate"]),
        st.floats(0, 20),
    ),
    max_size=50,
)


@given(ARRIVALS)
@settings(max_examples=200, deadline=None)
def test_E62_the_bound_and_the_order_hold(arrivals: list[tuple[float, float, str, float]]) -> None:
    """For any arrivals, costs, cancellations, settlements below the estimate, and closings of the gate."""
    queue, now, kept = make_queue(), 0.0, list[Place]()
    for pause, tokens, what, share in arrivals:
        now += pause
        if what == "gate":
            queue.close_gate(now + share, now)
            continue
        place = arrive(queue, [1.0, tokens], now)
        kept.append(place)
        chosen = place if what == "cancel now" else kept[int(share * 31) % len(kept)]
        if what.startswith("cancel"):
            queue.cancel(chosen, now)
            kept.remove(chosen)
        elif what == "less" and chosen.at <= now:
            queue.settle(chosen, [1.0, chosen.charged[1] / 3], now)
    turns = [place.at for place in kept]
    assert turns == sorted(turns), "strictly in the order of arrival"
    assert all(place.at >= place.arrived_at for place in kept)
    assert_bound([(place.at, place.charged) for place in kept], LIMITS)


def test_E62_a_charge_counts_from_its_turn() -> None:
    """Those who wait for tokens must not have paid for their request before: a burst would come on top."""
    queue = make_queue()
    arrive(queue, [1.0, 400.0], 0.0)
    grants = [(arrive(queue, [1.0, 100.0], 0.0)) for _ in range(3)]
    grants += [(arrive(queue, [1.0, 0.0], 6.0)) for _ in range(5)]
    assert_bound([(place.at, place.charged) for place in grants], LIMITS)


def test_E62_a_large_request_does_not_starve() -> None:
    """It comes first, so it goes first, however many small ones come behind it."""
    queue = make_queue(((10.0, 50.0),))
    arrive(queue, [50.0], 0.0)
    large = arrive(queue, [50.0], 0.0)
    small = [arrive(queue, [1.0], moment / 10) for moment in range(100)]
    assert large.at == 5.0
    assert min(place.at for place in small) > large.at


def test_E62_a_cancelled_waiter_gives_its_place_back() -> None:
    """Whoever comes next gets it."""
    queue = make_queue(((1.0, 1.0),))
    arrive(queue, [1.0], 0.0)
    waiting = [arrive(queue, [1.0], 0.0) for _ in range(3)]
    assert [place.at for place in waiting] == [1.0, 2.0, 3.0]
    for place in waiting[:0:-1]:
        queue.cancel(place, 0.5)
    assert arrive(queue, [1.0], 0.5).at == 2.0


def test_G81_those_behind_a_place_given_up_move_up() -> None:
    """At once: the first of them is woken, and it is all the same which one it was."""
    queue = make_queue(((1.0, 1.0),))
    arrive(queue, [1.0], 0.0)
    waiting = [arrive(queue, [1.0], 0.0) for _ in range(4)]
    queue.cancel(waiting[1], 0.5)
    assert [place.at for place in waiting if place is not waiting[1]] == [1.0, 2.0, 3.0]
    assert arrive(queue, [1.0], 0.5).at == 4.0
    assert not any(place.signal.is_set for place in waiting), "the first one is right, and the next is told at its turn"
    queue.cancel(waiting[0], 0.5)
    assert waiting[2].signal.is_set
    assert (waiting[2].at, queue.ask(waiting[2], 0.5), waiting[2].signal.is_set) == (1.0, 0.5, False)


def test_G81_the_next_one_is_told_when_it_has_become_the_first() -> None:
    """Its own timer is set to the turn that it had."""
    queue = make_queue(((1.0, 1.0),))
    arrive(queue, [1.0], 0.0)
    waiting = [arrive(queue, [1.0], 0.0) for _ in range(3)]
    queue.cancel(waiting[1], 0.5)
    assert queue.ask(waiting[0], 1.0) == 0.0
    assert waiting[2].signal.is_set
    assert queue.ask(waiting[2], 1.0) == 1.0
    assert (queue.ask(waiting[2], 2.0), queue.ask(waiting[2], 2.0)) == (0.0, 0.0)


def test_G81_a_charge_given_back_is_for_the_first_that_waits() -> None:
    """A call that was granted and never sent, or used less than it had reserved."""
    queue = make_queue(((1.0, 3.0),))
    first, second = arrive(queue, [2.0], 0.0), arrive(queue, [1.0], 0.0)
    third = arrive(queue, [1.0], 0.0)
    assert third.at == 1.0
    queue.settle(first, [1.0], 0.25)
    assert third.mark
    assert (third.at, third.signal.is_set, queue.ask(third, 0.25)) == (0.25, True, 0.0)
    fourth = arrive(queue, [1.0], 0.25)
    queue.cancel(second, 0.5)
    assert (fourth.at, fourth.signal.is_set) == (0.5, True)


def test_more_than_was_reserved_is_waited_for_by_those_who_wait() -> None:
    """They learn of it when they think that it is their turn."""
    queue = make_queue(((1.0, 2.0),))
    first, second = arrive(queue, [2.0], 0.0), arrive(queue, [1.0], 0.0)
    assert second.at == 1.0
    queue.settle(first, [3.0], 0.5)
    assert not second.signal.is_set
    assert queue.ask(second, 1.0) == pytest.approx(1.0)
    assert second.at == pytest.approx(2.0)


def test_a_place_that_costs_nothing_overtakes_nobody() -> None:
    """Where only tokens are limited: it is behind those who wait for theirs, whether planned or granted."""
    queue = make_queue(((10.0, 50.0),))
    arrive(queue, [50.0], 0.0)
    waiting, free = arrive(queue, [50.0], 0.0), arrive(queue, [0.0], 0.0)
    assert (waiting.at, free.at) == (5.0, 5.0)
    queue.cancel(arrive(queue, [1.0], 0.0), 0.0)
    assert (waiting.at, free.at) == (5.0, 5.0)
    assert queue.ask(free, 6.0) == 0.0
    assert free.at == 5.0


def test_a_timer_that_rings_early_is_set_again() -> None:
    """Unless what is missing is no more than a rounding error."""
    queue = make_queue(((1.0, 1.0),))
    arrive(queue, [1.0], 0.0)
    place = arrive(queue, [1.0], 0.0)
    assert queue.ask(place, 0.999) == pytest.approx(0.001)
    assert queue.ask(place, 1.0 - 1e-12) == 0.0
    assert place.at == 1.0


Caller = tuple[float, list[float], float]
CALLERS = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0, 3)),
        st.tuples(st.just(1.0), st.one_of(st.floats(0, 400), st.just(400.0))).map(list),
        st.one_of(st.just(inf), st.floats(0.01, 10)),
    ),
    max_size=40,
)


def served(callers: list[Caller]) -> dict[int, float]:
    """Run callers that arrive, sleep until they are told or woken, and leave when they lose patience.

    Returns when each got its turn. Time passes from one event to the next.
    """
    queue, got, asleep = make_queue(), dict[int, float](), dict[int, Place]()
    arrivals, now = list(enumerate(callers)), 0.0
    leaves: dict[int, float] = {}
    due = 0.0
    starts = {}
    for number, (pause, _, _) in arrivals:
        due += pause
        starts[number] = due
    while True:
        woken = [number for number, place in asleep.items() if place.signal.is_set]
        if woken:
            number = woken[0]
            place = asleep[number]
            if queue.ask(place, now) == 0.0:
                got[number] = now
                del asleep[number]
            continue
        # Of what happens at the same time, those who leave come last.
        events = [(starts[number], 0, number) for number in starts]
        events += [(place.told, 1, number) for number, place in asleep.items()]
        events += [(leaves[number], 2, number) for number in asleep]
        if not events:
            return got
        now, what, number = min(events)
        if what == 0:
            del starts[number]
            _, units, patience = callers[number]
            place = arrive(queue, list(units), now)
            leaves[number] = now + patience
            if place.mark:
                got[number] = now
            else:
                asleep[number] = place
        elif what == 1:
            if queue.ask(asleep[number], now) == 0.0:
                got[number] = now
                del asleep[number]
        else:
            queue.cancel(asleep.pop(number), now)


def ideal(callers: list[Caller]) -> dict[int, float]:
    """Work out the same from nothing but the order and the limits, as if each caller looked at every moment."""
    got, full_at, last, start = dict[int, float](), [-inf] * len(LIMITS), -inf, 0.0
    for number, (pause, units, patience) in enumerate(callers):
        start += pause
        free = [at + (wanted - burst) / rate for at, wanted, (rate, burst) in zip(full_at, units, LIMITS, strict=True)]
        turn = max(start, last, *free)
        # Those in front who leave without a turn block until they leave.
        if turn > start + patience + 1e-9:
            last = max(last, min(turn, start + patience)) if _blocks(turn, last, start) else last
            continue
        got[number] = last = turn
        full_at = [max(at, turn) + wanted / rate for at, wanted, (rate, _) in zip(full_at, units, LIMITS, strict=True)]
    return got


def _blocks(turn: float, last: float, start: float) -> bool:
    """Return whether a caller that never got its turn was the first that waits for some time."""
    return turn > max(last, start)


@given(CALLERS)
@settings(max_examples=300, deadline=None)
def test_G81_no_turn_stays_idle(callers: list[Caller]) -> None:
    """Whoever leaves when: each of the others has its turn as soon as order and limits allow, and not before."""
    expected, got = ideal(callers), served(callers)
    assert got == pytest.approx(expected, abs=1e-6)


def test_the_ramp_behind_a_gate() -> None:
    """The first at once, then ever faster: the n-th at gate + √(2n / growth), and later by chance."""
    queue = Queue((), (), Gate(10.0))
    queue.close_gate(5.0, 0.0)
    places = [arrive(queue, [], 0.0) for _ in range(4)]
    late = Place(queue, 0.0, queue.next_turn([], 0.0, 0.5), [], chance=0.5)
    queue.enter(late)
    assert [place.at for place in places] == pytest.approx([5 + (2 * n / 10) ** 0.5 for n in range(4)])
    assert late.at == pytest.approx(5 + (2 * 4.5 / 10) ** 0.5)
    queue.cancel(places[1], 0.0)
    assert places[2].at == pytest.approx(5 + (2 / 10) ** 0.5)


def test_steps_of_the_ramp_that_nobody_uses_are_lost() -> None:
    """Otherwise they would be a burst for those who come later."""
    queue = Queue((), (), Gate(10.0))
    queue.close_gate(0.0, -1.0)
    assert arrive(queue, [], 2.0).at == 2.0  # 20 steps have passed
    assert arrive(queue, [], 2.0).at == pytest.approx((2 * 21 / 10) ** 0.5)
    assert arrive(queue, [], 10.0).at == 10.0
    assert arrive(queue, [], 10.5).at == 10.5, "nobody waits, so the ramp is over"
    assert not queue.is_gated
    assert [arrive(queue, [], 10.5).at for _ in range(3)] == [10.5] * 3


def test_without_a_ramp_all_start_when_the_gate_opens() -> None:
    """As it may be wanted."""
    queue = Queue((), ())
    queue.close_gate(5.0, 0.0)
    assert [arrive(queue, [], 0.0).at for _ in range(3)] == [5.0] * 3


def test_a_gate_that_closes_for_longer_begins_another_ramp() -> None:
    """One that would open earlier changes nothing."""
    queue = Queue((), (), Gate(10.0))
    queue.close_gate(5.0, 0.0)
    first, second = arrive(queue, [], 0.0), arrive(queue, [], 0.0)
    queue.close_gate(4.0, 0.0)
    assert first.at == 5.0
    assert queue.ask(first, 5.0) == 0.0
    queue.close_gate(6.0, 5.0)
    assert second.at == 6.0
    assert queue.pass_gate(5.5, 0.0) == 6.0
    assert second.at == pytest.approx(6 + (2 / 10) ** 0.5)


def test_all_or_none() -> None:
    """To ask costs nothing; only who enters is charged, in all buckets."""
    queue = make_queue()
    assert queue.next_turn([1.0, 400.0], 5.0) == 5.0
    before = queue.state(5.0)
    for _ in range(5):
        queue.next_turn([1.0, 400.0], 5.0)
    assert queue.state(5.0) == before
    arrive(queue, [1.0, 400.0], 5.0)
    assert queue.state(5.0).levels == pytest.approx({"requests": 2.0, "tokens": 0.0})


def test_a_closed_gate_moves_those_who_wait() -> None:
    """In order and at the same distances; whoever comes later is behind them; an earlier end does not open it."""
    queue = make_queue(((1.0, 1.0),))
    first, second, third = (arrive(queue, [1.0], 0.0) for _ in range(3))
    queue.close_gate(10.0, 0.5)
    assert (first.at, second.at, third.at) == (0.0, 10.0, 11.0)
    queue.close_gate(5.0, 0.5)
    assert (second.at, third.at) == (10.0, 11.0)
    assert arrive(queue, [1.0], 0.5).at == 12.0


def test_a_gate_that_opens_before_anybody_s_turn_moves_nobody() -> None:
    """They wait longer anyway."""
    queue = make_queue(((1.0, 1.0),))
    arrive(queue, [1.0], 0.0)
    second = arrive(queue, [1.0], 0.0)
    queue.close_gate(0.75, 0.5)
    assert second.at == 1.0


def test_more_than_was_reserved_is_paid_by_those_behind() -> None:
    """A debt of 10 units at 1 per second."""
    queue = make_queue(((20.0, 20.0),))
    place = arrive(queue, [20.0], 0.0)
    queue.settle(place, [30.0], 0.0)
    assert queue.state(0.0).levels == {"requests": -10.0}
    assert queue.next_turn([1.0], 0.0) == pytest.approx(11 / 20)


def test_no_number_closes_a_bucket_for_ever() -> None:
    """A server that counts 10**15 tokens: a window's worth is owed, and if it was a mistake, just that is undone."""
    queue = make_queue(((20.0, 20.0),))
    place, other = arrive(queue, [5.0], 0.0), arrive(queue, [5.0], 0.0)
    queue.settle(place, [1e15], 0.0)
    assert queue.state(0.0).levels == {"requests": -10.0}
    queue.settle(place, [5.0], 0.0)
    assert queue.state(0.0).levels["requests"] <= 10.0
    queue.settle(other, [0.0], 0.0)
    queue.settle(place, [0.0], 0.0)
    assert queue.state(0.0).levels["requests"] <= 20.0


def test_an_answer_to_an_older_request_teaches_nothing() -> None:
    """Whatever it says; the answer to the same or a newer one does."""
    queue = make_queue()
    older, newer = arrive(queue, [1.0, 0.0], 0.0), arrive(queue, [1.0, 0.0], 0.0)
    assert queue.learn(newer, {"tokens": 100.0, "elsewhere": 0.0}, 1.0)
    assert not queue.learn(older, {"tokens": 0.0}, 1.0)
    assert queue.state(1.0).levels["tokens"] == pytest.approx(100)
    assert queue.learn(newer, {"tokens": 50.0}, 1.0)
    assert queue.state(1.0).levels["tokens"] == pytest.approx(50)


def test_a_reset_opens_the_gate_and_fills_the_buckets() -> None:
    """Those who wait move up, in their order."""
    queue = make_queue(((1.0, 2.0),))
    places = [arrive(queue, [1.0], 0.0) for _ in range(5)]
    queue.close_gate(50.0, 0.0)
    queue.reset(0.5)
    assert (queue.state(0.5).gate, queue.state(0.5).levels) == (0.0, {"requests": 0.0})
    assert [place.at for place in places] == [0.0, 0.0, 0.5, 0.5, 1.5]
    assert [place.signal.is_set for place in places] == [False, False, True, True, True]
    assert not queue.is_gated


class QueueMachine(RuleBasedStateMachine):
    """Any interleaving of arrivals, cancellations, endings and closings of the gate, against a small model.

    The model keeps the charges that stand, each with its time, and works everything out from them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queue = make_queue()
        self.charges: dict[Place, list[float]] = {}
        self.places: list[Place] = []
        self.now = 0.0
        self.gate = -inf
        self.exact = True

    def full_at(self, index: int, *, granted: bool = False) -> float:
        full_at, rate = -inf, LIMITS[index][0]
        for place, units in self.charges.items():
            if not granted or place.at <= self.now:
                full_at = max(full_at, place.at) + units[index] / rate
        return full_at

    @rule(seconds=st.floats(0, 5))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(tokens=st.floats(0, 400), patience=st.sampled_from([0.0, 2.0, inf]))
    def arrives(self, tokens: float, patience: float) -> None:
        units = [1.0, tokens]
        at = self.queue.next_turn(units, self.now)
        last = max((place.at for place in self.places), default=-inf)
        free = [self.full_at(index) + (units[index] - burst) / rate for index, (rate, burst) in enumerate(LIMITS)]
        expected = max(self.now, self.gate, last, *free)
        assert at >= expected - SLACK
        if self.exact:
            assert at <= expected + SLACK
        if at - self.now <= patience:
            place = entered(self.queue, list(units), self.now, at)
            self.places.append(place)
            self.charges[place] = units

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def is_cancelled(self, data: Any) -> None:
        place = self.places.pop(data.draw(st.integers(0, len(self.places) - 1)))
        self.exact = self.exact and place.at > self.now  # who waits goes without a trace
        self.queue.cancel(place, self.now)
        del self.charges[place]

    @precondition(lambda self: any(place.at <= self.now for place in self.places))
    @rule(data=st.data(), share=st.floats(0, 1))
    def ends(self, data: Any, share: float) -> None:
        place = data.draw(st.sampled_from([place for place in self.places if place.at <= self.now]))
        units = [1.0, place.charged[1] * share]
        self.queue.settle(place, list(units), self.now)
        self.queue.leave(place)
        self.exact = False
        self.places.remove(place)
        self.charges[place] = units

    @rule(seconds=st.floats(0, 10))
    def server_closes_the_gate(self, seconds: float) -> None:
        self.gate = max(self.gate, self.now + seconds)
        self.queue.close_gate(self.now + seconds, self.now)

    @invariant()
    def the_bound_holds(self) -> None:
        assert_bound([(place.at, units) for place, units in self.charges.items()], LIMITS)

    @invariant()
    def the_order_holds(self) -> None:
        turns = [place.at for place in self.places]
        assert turns == sorted(turns)

    @invariant()
    def nobody_passes_a_closed_gate(self) -> None:
        assert all(place.at >= self.gate for place in self.places if place.at > self.now)

    @invariant()
    def it_is_as_full_as_the_charges_allow(self) -> None:
        levels = self.queue.state(self.now).levels.values()
        for index, (level, (rate, burst)) in enumerate(zip(levels, LIMITS, strict=True)):
            expected = burst - max(0.0, self.full_at(index, granted=True) - self.now) * rate
            assert level <= expected + SLACK * (1 + burst)
            if self.exact:
                assert level >= expected - SLACK * (1 + burst)

    @invariant()
    def those_who_are_there_are_counted(self) -> None:
        state = self.queue.state(self.now)
        assert state.waiting == sum(place.at > self.now for place in self.places)
        assert state.waiting + state.in_flight == len(self.places)


QueueMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueue = QueueMachine.TestCase
