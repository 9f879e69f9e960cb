"""The meters against the plainest way to say what they count."""

from hypothesis import given
from hypothesis import strategies as st

from unbroken_circuit_breaker import Window
from unbroken_circuit_breaker._values import Verdict
from unbroken_circuit_breaker._windows import CountWindow, TimeWindow, Totals

COUNTED = st.sampled_from([Verdict.SUCCESS, Verdict.FAILURE, Verdict.SLOW])


def summed(results: list[Verdict], *, slow_apart: bool) -> Totals:
    slow = results.count(Verdict.SLOW)
    failures = results.count(Verdict.FAILURE)
    return Totals(len(results), failures if slow_apart else failures + slow, slow if slow_apart else 0)


@given(st.integers(1, 8), st.booleans(), st.lists(COUNTED))
def test_a_window_by_count_is_the_last_results(size: int, slow_apart: bool, results: list[Verdict]) -> None:
    """However many there were before."""
    window = CountWindow(Window(size=size, min_calls=1, slow_rate=0.5 if slow_apart else None))
    for number, verdict in enumerate(results, 1):
        window.add(verdict, 0.0)
        assert window.totals(0.0) == summed(results[:number][-size:], slow_apart=slow_apart)


@given(st.booleans(), st.lists(st.tuples(st.integers(0, 14), COUNTED)))
def test_a_window_by_time_is_the_last_ten_buckets(slow_apart: bool, steps: list[tuple[int, Verdict]]) -> None:
    """Of one second each, the present one included; longer silences empty it."""
    window = TimeWindow(Window(kind="time", size=10, slow_rate=0.5 if slow_apart else None))
    now, seen = 1000.5, list[tuple[float, Verdict]]()
    for pause, verdict in steps:
        now += pause
        before = [one for at, one in seen if int(at) > int(now) - 10]
        assert window.totals(now) == summed(before, slow_apart=slow_apart)
        window.add(verdict, now)
        seen.append((now, verdict))
        assert window.totals(now) == summed([*before, verdict], slow_apart=slow_apart)


def test_a_result_that_comes_out_of_order_goes_into_the_latest_bucket() -> None:
    """Two threads read the clock before they get the lock."""
    window = TimeWindow(Window(kind="time", size=10))
    window.add(Verdict.SUCCESS, 20.0)
    window.add(Verdict.FAILURE, 19.99)
    assert window.totals(29.9) == Totals(2, 1)
    assert window.totals(30.0) == Totals()
