"""One bucket: the bound, and giving back."""

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from unbroken_rate_limit._gcra import Bucket

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "give back", "half"]),
        st.floats(0, 8),
        st.floats(0.1, 5),
        st.integers(0, 30),
    ),
    max_size=60,
)


@define
class Ledger:
    """The charges that stand, and the bucket's state worked out from all of them."""

    burst: float
    charges: dict[int, tuple[float, float]] = field(factory=dict)

    def full_at(self) -> float:
        full_at = float("-inf")
        for at, units in self.charges.values():
            full_at = max(full_at, at) + units
        return full_at


def test_a_full_bucket_gives_its_burst_and_then_the_rate():
    """Five at once, then one each two seconds."""
    bucket = Bucket(30, 60, 5)
    turns: list[float] = []
    for mark in range(8):
        turns.append(max(100.0, bucket.earliest(1, bucket.full_at)))
        bucket.take(1, turns[-1], mark, noted=True)
    assert turns == pytest.approx([100, 100, 100, 100, 100, 102, 104, 106])


def test_the_level_is_what_is_there():
    """Full, drained, in debt, refilled; never more than the burst."""
    bucket = Bucket(60, 60, 10)
    assert bucket.level(0.0) == 10
    bucket.take(4, 0.0, 1, noted=False)
    assert (bucket.level(0.0), bucket.level(3.0), bucket.level(99.0)) == (6, 9, 10)
    bucket.take(8, 0.0, 2, noted=False)
    assert bucket.level(0.0) == -2


@given(STEPS)
def test_giving_back_is_as_if_it_had_never_been_taken(steps: list[tuple[str, float, float, int]]):
    """After any history the bucket is where the remaining charges alone would have brought it, never fuller."""
    bucket, ledger, now = Bucket(1, 1, 5), Ledger(5), 0.0
    for mark, (what, pause, units, which) in enumerate(steps):
        now += pause
        if what == "take":
            at = max(now, bucket.earliest(units, bucket.full_at))
            bucket.take(units, at, mark, noted=bool(ledger.charges))
            ledger.charges[mark] = (at, units)
            now = max(now, at)
        elif ledger.charges:
            chosen = list(ledger.charges)[which % len(ledger.charges)]
            at, had = ledger.charges[chosen]
            kept = had / 2 if what == "half" else 0.0
            bucket.give_back(had - kept, chosen)
            if kept:
                ledger.charges[chosen] = (at, kept)
            else:
                del ledger.charges[chosen]
        # What was given back can be too little by a thousandth of the burst, each time.
        exact = max(now, ledger.full_at())
        assert exact - 1e-6 <= max(now, bucket.full_at) <= exact + (mark + 1) * 0.005 + 1e-6


def test_two_charges_cannot_give_back_the_same_room():
    """Seven are taken, two come in, one is taken: of the seven, five can be given back, whoever gives them."""
    for order in ((1, 2), (2, 1)):
        bucket, units = Bucket(1, 1, 10), {1: 3, 2: 4}
        bucket.take(3, 0.0, 1, noted=False)
        bucket.take(4, 0.0, 2, noted=True)
        bucket.take(1, 2.0, 3, noted=True)
        for mark in order:
            bucket.give_back(units[mark], mark)
        assert bucket.full_at == 3.0


def test_what_is_kept_for_giving_back_is_bounded():
    """A charge that is never given back does not make the bucket remember all later ones."""
    bucket = Bucket(1, 1, 5)
    for mark in range(20_000):
        # A little more each time than has come in since.
        bucket.take(0.001, mark / 1001, mark, noted=True)
    assert len(bucket._lows) == 4
    assert bucket._lows == sorted(bucket._lows)
    assert bucket._marks == sorted(bucket._marks)


def test_equal_histories_keep_one_note():
    """The steady state of a busy client: each charge finds the same bucket."""
    bucket = Bucket(1, 1, 5)
    for mark in range(1000):
        bucket.take(1, max(0.0, bucket.earliest(1, bucket.full_at)), mark, noted=True)
    assert len(bucket._lows) <= 6


def test_shrinking_only_takes_away():
    """More than is there, or than the burst, changes nothing; less is all that is left."""
    bucket = Bucket(60, 60, 10)
    bucket.take(4, 100.0, 1, noted=False)
    for units in (6, 7, 11, 10**6):
        bucket.shrink(units, 100.0, 2)
        assert bucket.level(100.0) == 6
    bucket.shrink(2.5, 100.0, 2)
    assert bucket.level(100.0) == 2.5
    bucket.give_back(4, 1)
    assert bucket.level(100.0) == 2.5, "the server has counted what is given back here"


def test_a_bucket_can_be_filled_by_hand():
    """And what was charged before cannot overfill it."""
    bucket = Bucket(60, 60, 10)
    bucket.take(10, 0.0, 1, noted=False)
    bucket.reset(2)
    bucket.take(3, 0.0, 3, noted=True)
    bucket.give_back(10, 1)
    assert bucket.level(0.0) == 7


def test_what_a_larger_charge_gives_back_is_taken_from_all_lows_before_it() -> None:
    """A charge that was raised later gives back so much that several earlier lows are too high."""
    bucket = Bucket(1, 1, 20)
    for mark in (1, 2, 3, 4):
        bucket.take(1, 0.0, mark, noted=True)
    bucket.take(3, 0.0, 5, noted=True)  # the charge 3 is raised to 4
    assert bucket._lows == [0.0, 1.0, 2.0, 3.0, 4.0]
    bucket.give_back(4, 3)
    assert bucket.full_at == 4.0, "3 s were missing when the charge 4 was made, so no more is given back"
    assert (bucket._marks, bucket._lows) == ([4, 5], [0.0, 1.0])
    bucket.give_back(1, 1)
    assert bucket.full_at == 4.0, "without both, the bucket would have been full when the charge 4 was made"


def test_lows_ascend_strictly() -> None:
    """Of two that are equal, the later one is enough."""
    bucket = Bucket(1, 1, 3)
    for mark in (1, 2, 3):
        bucket.take(1, 0.0, mark, noted=True)
    bucket.give_back(1, 1)
    assert (bucket._marks, bucket._lows) == ([2, 3], [0.0, 1.0])


def test_what_is_given_back_leaves_the_lower_lows_before_it() -> None:
    """So an earlier charge still gives back no more than what did not overflow meanwhile."""
    bucket = Bucket(1, 1, 20)
    bucket.take(1, 0.0, 1, noted=True)
    bucket.take(5, 0.75, 2, noted=True)
    bucket.take(1, 0.75, 3, noted=True)
    bucket.take(1, 0.75, 4, noted=True)
    assert bucket._lows == [0.0, 0.25, 5.25, 6.25]
    bucket.give_back(1, 3)
    assert (bucket._marks, bucket._lows) == ([1, 2, 4], [0.0, 0.25, 5.25])
    bucket.give_back(1, 1)
    assert bucket.level(0.75) == 14.0
