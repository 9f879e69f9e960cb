"""How long the policy waits when the server does not say, and when it does."""

import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import decisions
from unbroken.call import Call
from unbroken.errors import Error, NetworkError, OverloadedError, RateLimitError, ServerError, TimeoutError
from unbroken_retry import Retry, RetryConfig

MakeCall = Callable[..., Call]
KINDS = ("proportional", "full", "equal", "decorrelated", "none")
TIMES = 2000


def delays(retry: Retry, call: Call, count: int, hint: float | None = None) -> list[float]:
    """Fail `count` times and return what the policy waits each time."""
    found: list[float] = []
    for call.attempt in range(1, count + 1):
        answer = retry.should_retry(call, NetworkError("reset", retry_after=hint))
        assert isinstance(answer, decisions.TryAgain)
        found.append(answer.delay)
    return found


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, [1, 2, 4, 8, 16, 30, 30], id="default"),
        pytest.param({"multiplier": 1}, [1] * 7, id="constant"),
        pytest.param({"multiplier": 3, "max_delay": 10}, [1, 3, 9, 10, 10, 10, 10], id="steeper"),
        pytest.param({"initial_delay": 5, "max_delay": 2}, [2] * 7, id="max-delay-below-initial-delay"),
        pytest.param({"initial_delay": 0}, [0] * 7, id="no-delay"),
    ],
)
@pytest.mark.parametrize("kind", ["none", "proportional"])
def test_the_delay_grows_exponentially_to_its_cap(
    make_call: MakeCall, kind: str, settings: dict[str, Any], expected: list[float]
) -> None:
    """`min(max_delay, initial_delay * multiplier**n)`; a chance in the middle is no jitter."""
    retry = Retry(**{"initial_delay": 1.0, **settings}, jitter_kind=kind, max_retries=9)
    assert delays(retry, make_call(chance=0.5), 7) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(NetworkError("reset"), [0.5, 1.0, 2.0], id="reset"),
        pytest.param(TimeoutError("connect"), [0.5, 1.0, 2.0], id="timeout"),
        pytest.param(ServerError("503", status_code=503), [0.5, 1.0, 2.0], id="503"),
        pytest.param(RateLimitError("429", status_code=429), [1.0, 2.0, 4.0], id="429"),
        pytest.param(OverloadedError("529", status_code=529), [1.0, 2.0, 4.0], id="529"),
        pytest.param(OverloadedError("overloaded_error"), [1.0, 2.0, 4.0], id="overloaded-in-the-stream"),
        pytest.param(ServerError("529", status_code=529), [1.0, 2.0, 4.0], id="529-of-another-dialect"),
    ],
)
@pytest.mark.parametrize("initial", [None, 0.25])
def test_who_is_throttled_starts_slower(
    make_call: MakeCall, error: Error, expected: list[float], initial: float | None
) -> None:
    """Half a second for what breaks, one second for who has too much to do; `initial_delay` is for both."""
    retry, call = Retry(jitter=0, initial_delay=initial), make_call()
    answers = [retry.should_retry(call, error) for call.attempt in (1, 2, 3)]
    if initial is not None:
        expected = [0.25, 0.5, 1.0]
    assert [answer.delay for answer in answers if isinstance(answer, decisions.TryAgain)] == expected


def test_each_failure_has_its_own_class(make_call: MakeCall) -> None:
    """The exponent is the call's, the base that of the present failure."""
    retry, call = Retry(jitter=0), make_call()
    errors = (NetworkError("reset"), OverloadedError("busy"), NetworkError("reset"))
    answers = [retry.should_retry(call, error) for call.attempt, error in enumerate(errors, 1)]
    assert [answer.delay for answer in answers if isinstance(answer, decisions.TryAgain)] == [0.5, 2.0, 2.0]


def test_aggressive_delays_are_shorter(make_call: MakeCall) -> None:
    """Half a second, then half as much again."""
    retry = Retry(RetryConfig.AGGRESSIVE, jitter=0)
    assert delays(retry, make_call(), 5) == pytest.approx([0.5, 0.75, 1.125, 1.6875, 2.53125])


@pytest.mark.parametrize(
    ("kind", "low", "high", "mean"),
    [
        pytest.param("proportional", 7.2, 8.8, 8.0, id="proportional"),
        pytest.param("full", 0.0, 8.0, 4.0, id="full"),
        pytest.param("equal", 4.0, 8.0, 6.0, id="equal"),
        pytest.param("none", 8.0, 8.0, 8.0, id="none"),
    ],
)
def test_jitter_spreads_evenly_over_its_range(
    make_call: MakeCall, kind: str, low: float, high: float, mean: float
) -> None:
    """Bounds, mean and quartiles of the fourth delay are those of the uniform distribution."""
    retry = Retry(jitter_kind=kind, max_retries=4, initial_delay=1.0, budget=None)
    drawn = sorted(delays(retry, make_call(chance=None, seed=seed), 4)[3] for seed in range(TIMES))
    assert low <= drawn[0]
    assert drawn[-1] <= high
    width = high - low
    assert statistics.fmean(drawn) == pytest.approx(mean, abs=0.03 * width)
    assert drawn[TIMES // 4] == pytest.approx(low + width / 4, abs=0.05 * width)
    assert drawn[TIMES * 3 // 4] == pytest.approx(high - width / 4, abs=0.05 * width)


def test_proportional_jitter_stays_under_the_cap(make_call: MakeCall) -> None:
    """Jitter comes before the cap: the longest delay is `max_delay`, never a tenth more."""
    retry = Retry(max_retries=20)
    assert delays(retry, make_call(chance=0.999), 9)[-1] == 30.0
    assert delays(retry, make_call(chance=0.0), 9)[-1] == pytest.approx(27.0)


def test_decorrelated_jitter_draws_from_the_previous_delay(make_call: MakeCall) -> None:
    """Each delay is between `initial_delay` and three times the one before, cut to `max_delay`."""
    retry = Retry(jitter_kind="decorrelated", initial_delay=1.0, max_retries=20, budget=None)
    assert delays(retry, make_call(chance=0.5), 3) == pytest.approx([2.0, 3.5, 5.75])
    for seed in range(200):
        previous = 1.0
        for delay in delays(retry, make_call(chance=None, seed=seed), 8):
            assert 1.0 <= delay <= min(30.0, 3 * previous)
            previous = delay


def test_decorrelated_jitter_does_not_pile_up_at_the_cap(make_call: MakeCall) -> None:
    """The bound is cut, not the drawn value, so thousands of clients do not come back in the same instant."""
    retry = Retry(jitter_kind="decorrelated", initial_delay=1.0, max_retries=20, budget=None)
    drawn = [delays(retry, make_call(chance=None, seed=seed), 12)[-1] for seed in range(TIMES)]
    assert drawn.count(30.0) == 0
    assert 6 < statistics.median(drawn) < 12


def test_decorrelated_jitter_keeps_under_a_cap_below_the_first_delay(make_call: MakeCall) -> None:
    """A `max_delay` below `initial_delay` wins here too."""
    retry = Retry(jitter_kind="decorrelated", initial_delay=5.0, max_delay=2.0)
    assert delays(retry, make_call(chance=0.9), 3) == [2.0, 2.0, 2.0]


def test_two_calls_do_not_share_a_back_off(make_call: MakeCall) -> None:
    """One plugin object, many calls: each has its own exponent."""
    retry, one, two = Retry(jitter=0, initial_delay=1.0), make_call(), make_call()
    assert delays(retry, one, 2) == [1.0, 2.0]
    assert delays(retry, two, 3) == [1.0, 2.0, 4.0]
    assert delays(retry, one, 1) == [4.0]


def test_B30_a_hint_resets_the_exponent(make_call: MakeCall) -> None:
    """After the server has said when to come back, the back-off starts anew (gRPC's push-back)."""
    retry, call = Retry(jitter=0, initial_delay=1.0, max_retries=9), make_call()
    assert delays(retry, call, 3) == [1.0, 2.0, 4.0]
    assert delays(retry, call, 1, hint=7.0) == [7.0]
    assert delays(retry, call, 2) == [1.0, 2.0]


@pytest.mark.parametrize("hint", [0.0, -10.0, math.nan], ids=["B30-zero", "B30-negative", "B30-nan"])
def test_B30_a_hint_that_asks_for_nothing_leaves_the_back_off(make_call: MakeCall, hint: float) -> None:
    """Zero, a date that has passed and nonsense from a foreign plugin do not turn into a hot loop."""
    assert delays(Retry(jitter=0, initial_delay=1.0), make_call(), 3, hint=hint) == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("hint", [0.5, 5.0, 60.0, 119.0, 120.0])
@pytest.mark.parametrize("kind", KINDS)
def test_B30_a_hint_is_never_undercut(make_call: MakeCall, kind: str, hint: float) -> None:
    """Jitter goes upwards only, by `jitter` at most and not over `max_retry_after`."""
    retry = Retry(jitter_kind=kind, budget=None)
    drawn = [delays(retry, make_call(chance=None, seed=seed), 1, hint=hint)[0] for seed in range(200)]
    assert min(drawn) >= hint
    assert max(drawn) <= min(hint * 1.1, 120.0)
    assert (len(set(drawn)) > 100) is (kind != "none" and hint < 120.0)


def test_B30_jitter_does_not_carry_a_hint_over_the_deadline(make_call: MakeCall) -> None:
    """What can be waited for is waited for: the spread shrinks to the time that is left."""
    retry = Retry(jitter=1.0, budget=None)
    for seed in range(200):
        (delay,) = delays(retry, make_call(chance=None, seed=seed, deadline=10.5), 1, hint=10.0)
        assert 10.0 <= delay < 10.5


configs = st.builds(
    RetryConfig,
    max_retries=st.just(10**9),
    initial_delay=st.none() | st.floats(min_value=0, allow_infinity=False),
    max_delay=st.floats(min_value=0, allow_infinity=False),
    multiplier=st.floats(min_value=1, allow_infinity=False) | st.integers(1, 10**100),
    jitter=st.floats(min_value=0, max_value=1),
    jitter_kind=st.sampled_from(KINDS),
    max_retry_after=st.floats(min_value=0, allow_infinity=False),
)
chances = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(config=configs, times=st.integers(0, 10_000), chance=chances)
def test_a_delay_is_finite_and_in_range_whatever_is_configured(
    make_call: MakeCall, config: RetryConfig, times: int, chance: float
) -> None:
    """Never negative, never above `max_delay`, for any attempt: `2.0 ** 1024` raises, and must not."""
    from unbroken_retry._backoff import Backoff, delay, initial_delay

    initial = initial_delay(config, NetworkError("reset"))
    for previous in (None, config.max_delay, min(initial, config.max_delay)):
        seconds = delay(config, initial, Backoff(times, previous), chance)
        assert math.isfinite(seconds)
        assert 0.0 <= seconds <= config.max_delay


@given(
    config=configs,
    chance=chances,
    attempts=st.lists(st.none() | st.floats(min_value=0, allow_infinity=False), min_size=1, max_size=6),
    deadline=st.none() | st.floats(min_value=0, max_value=1e9),
)
def test_no_wait_is_shorter_than_asked_or_longer_than_allowed(
    make_call: MakeCall,
    config: RetryConfig,
    chance: float,
    attempts: list[float | None],
    deadline: float | None,
) -> None:
    """Through any sequence of failures with and without hints, and with and without a deadline."""
    retry, call = Retry(config), make_call(chance=chance, deadline=deadline)
    for call.attempt, hint in enumerate(attempts, 1):
        answer = retry.should_retry(call, OverloadedError("busy", retry_after=hint))
        if isinstance(answer, decisions.GiveUp):
            assert answer.error is None
            continue
        assert isinstance(answer, decisions.TryAgain)
        assert answer.delay >= (hint or 0.0)
        assert answer.delay <= (config.max_retry_after if hint else config.max_delay)
        assert deadline is None or answer.delay <= deadline


def test_the_thousandth_delay_is_the_longest(make_call: MakeCall) -> None:
    """Far past the range of a float the cap still holds."""
    retry = Retry(max_retries=2000, jitter=0, budget=None)
    assert delays(retry, make_call(), 1100)[-1] == 30.0


def test_chance_comes_from_the_call(make_call: MakeCall) -> None:
    """Same seed, same delays: nothing else is random."""
    one, two = (delays(Retry(jitter_kind="full"), make_call(chance=None, seed=7), 3) for _ in range(2))
    assert one == two


def test_E61_the_wall_clock_is_not_consulted(make_call: MakeCall) -> None:
    """An hour's jump either way between two failures changes nothing."""
    call = make_call(deadline=100.0)
    retry = Retry(jitter=0, initial_delay=1.0)
    for attempt, jump in enumerate((0.0, 3600.0, -7200.0), 1):
        call.attempt = attempt
        call.clock.wall += jump  # type: ignore[attr-defined]
        assert retry.should_retry(call, ServerError("x")) == decisions.TryAgain(
            2.0 ** (attempt - 1), reason=f"retry {attempt} of 3, backed off"
        )
