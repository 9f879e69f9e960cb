"""Percentiles and buckets, against what sorting all of the times would give."""

import math
from bisect import bisect_right
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unbroken import ConfigurationError
from unbroken_metrics import Metrics, MetricsConfig
from unbroken_metrics._config import BUCKETS
from unbroken_metrics._distribution import MOST_MEANS, Distribution

TIMES = st.floats(min_value=0, max_value=1e6, allow_subnormal=False)
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def distribution(times):
    made = Distribution(BUCKETS)
    for start in range(0, len(times), 100):
        made.extend(times[start : start + 100])
    return made


def between(times, quantile, slack):
    """The times whose ranks are next to that of the quantile, `slack` ranks more on both sides."""
    ordered = sorted(times)
    rank = quantile * len(ordered)
    low = max(0, math.floor(rank - 1 - slack))
    high = min(len(ordered) - 1, math.ceil(rank + slack))
    return ordered[low], ordered[high]


def check(timing, times, slack):
    for name, quantile in QUANTILES.items():
        low, high = between(times, quantile, slack)
        value = getattr(timing, name)
        assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9), (name, low, value, high)


@given(st.lists(TIMES, min_size=1, max_size=200))
def test_few_times_give_the_exact_percentiles(times):
    """Between the two times that stand next to the rank."""
    timing = distribution(times).timing()
    check(timing, times, slack=0)
    assert timing.count == len(times)
    assert timing.sum == pytest.approx(math.fsum(times))


@settings(max_examples=20, deadline=None)
@given(st.lists(TIMES, min_size=1, max_size=60), st.integers(0, 1000))
def test_many_times_give_percentiles_within_the_accuracy_of_the_digest(spread, seed):
    """Half a per cent of the ranks, whatever the times look like."""
    chance = Random(seed)
    times = [seconds * chance.uniform(0.9, 1.1) for seconds in spread for _ in range(5000 // len(spread))]
    assert len(times) > 4 * MOST_MEANS
    check(distribution(times).timing(), times, slack=0.005 * len(times))


@given(st.lists(st.lists(TIMES, max_size=60), min_size=1, max_size=4))
def test_distributions_add_up(parts):
    """Those of several series are those of all their times."""
    together = Distribution(BUCKETS)
    for part in parts:
        together.absorb(distribution(part))
    times = [seconds for part in parts for seconds in part]
    whole, timing = distribution(times).timing(), together.timing()
    assert timing.buckets == whole.buckets
    assert timing.count == len(times)
    if times:
        check(timing, times, slack=1)


@given(st.lists(TIMES | st.sampled_from(BUCKETS), max_size=100))
def test_a_bucket_has_all_times_that_took_no_longer(times):
    """The bound itself included, as Prometheus has it."""
    ordered = sorted(times)
    assert distribution(times).timing().buckets == tuple((bound, bisect_right(ordered, bound)) for bound in BUCKETS)


def test_a_digest_does_not_grow():
    """However many times it is given."""
    made = distribution([float(number % 9973) for number in range(50_000)])
    assert made._digest.n_centroids <= MOST_MEANS


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"max_series": 0}, "max_series: must be a whole number of at least 1"),
        ({"max_series": True}, "max_series"),
        ({"buckets": ()}, "buckets: must be 1 to 50 ascending positive numbers"),
        ({"buckets": (1.0, 1.0)}, "buckets"),
        ({"buckets": (2.0, 1.0)}, "buckets"),
        ({"buckets": (0.0, 1.0)}, "buckets"),
        ({"buckets": (1.0, float("inf"))}, "buckets"),
        ({"buckets": ("1", 2.0)}, "buckets"),
        ({"buckets": "abc"}, "buckets"),
        ({"buckets": 5}, None),
        ({"buckets": range(1, 52)}, "buckets"),
    ],
    ids=str,
)
def test_bad_settings_are_refused_by_name(values, problem):
    """And a lone number is a list of one."""
    if problem is None:
        assert MetricsConfig(**values).buckets == (5,)
        return
    with pytest.raises(ConfigurationError) as caught:
        Metrics(**values)
    assert problem in str(caught.value)


def test_settings_come_from_files_and_the_environment_too(tmp_path, monkeypatch):
    """As those of every plugin."""
    from unbroken.registry import resolve_plugins

    (tmp_path / "unbroken.toml").write_text('plugins = ["metrics"]\n[metrics]\nbuckets = [1, 2.5]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNBROKEN_METRICS__MAX_SERIES", "7")
    (metrics,) = resolve_plugins(None, None)
    assert metrics.config == MetricsConfig(max_series=7, buckets=(1.0, 2.5))


def test_without_the_library_it_says_what_to_install(monkeypatch):
    """One clear line, when the plugin is built."""
    monkeypatch.setattr("unbroken_metrics._distribution.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"needs fastdigest: pip install 'unbroken\[metrics\]'"):
        Metrics()
