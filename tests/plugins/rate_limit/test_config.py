"""What can be set about limiting, and what is refused."""

import math
from typing import Any

import attrs
import pytest

from unbroken import ConfigurationError, Plugin
from unbroken_rate_limit import RateLimit, RateLimitConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"E63-{name}-{value!r}")
        for name, values in {
            "requests": (0, -1, math.nan, math.inf, "50", True),
            "tokens": (0, -0.5, math.nan, math.inf, "1k"),
            "input_tokens": (0, math.nan),
            "output_tokens": (0, math.nan),
            "per": (0, -60, math.nan, math.inf, None, "60"),
            "burst": (0, 0.5, math.nan, math.inf, "1"),
            "token_burst": (0, 0.5, math.nan, math.inf),
            "max_wait": (-1, math.nan, math.inf, "30"),
            "key": ("origin", 7),
            "estimate": (1000, "max_tokens"),
            "learn_from_headers": ("false", 0, None),
            "gate_on_429": ("true", 1, None),
            "max_keys": (0, -1, 2.5, None),
        }.items()
        for value in values
    ],
)
def test_E63_a_bad_value_is_refused_by_name(name: str, value: Any) -> None:
    """The error says which field is wrong, whether the config or the plugin is built."""
    limits = {"requests": 50, "tokens": 1000}
    for build in (RateLimitConfig, RateLimit):
        with pytest.raises(ConfigurationError) as caught:
            build(**{**limits, name: value})
        assert [problem.path.split(".")[0] for problem in caught.value.problems] == [name]


@pytest.mark.parametrize("values", [{"burst": 5, "tokens": 1000}, {"token_burst": 500, "requests": 50}])
def test_a_burst_of_what_has_no_limit_is_refused(values: dict[str, Any]) -> None:
    """It would look as if it did something."""
    with pytest.raises(ConfigurationError, match="have no limit"):
        RateLimit(**values)


@pytest.mark.parametrize(
    ("values", "bursts"),
    [
        pytest.param({}, {}, id="no-limits"),
        pytest.param({"requests": 50}, {"requests": 50}, id="a-whole-window"),
        pytest.param({"requests": 0.25}, {"requests": 1}, id="one-at-least"),
        pytest.param({"requests": 50, "burst": 80}, {"requests": 80}, id="more-than-a-window"),
        pytest.param(
            {"requests": 5, "tokens": 90, "input_tokens": 60, "output_tokens": 30, "burst": 2},
            {"requests": 2, "tokens": 90, "input_tokens": 60, "output_tokens": 30},
            id="all-four",
        ),
        pytest.param({"tokens": 90, "token_burst": 20}, {"tokens": 20}, id="tokens"),
    ],
)
def test_the_buckets_that_are_made(values: dict[str, Any], bursts: dict[str, float]) -> None:
    """One for each limit, with the burst of its kind."""
    buckets = RateLimitConfig(**values).buckets()
    assert {kind: bucket.burst for kind, bucket in buckets.items()} == bursts


def test_the_defaults_are_the_documented_ones() -> None:
    """No limits: then only what the server says counts."""
    assert attrs.asdict(RateLimit().config) == {
        "requests": None,
        "tokens": None,
        "input_tokens": None,
        "output_tokens": None,
        "per": 60.0,
        "burst": None,
        "token_burst": None,
        "max_wait": 30.0,
        "key": None,
        "estimate": None,
        "learn_from_headers": True,
        "gate_on_429": True,
        "ramp": 10.0,
        "shadow": False,
        "max_keys": 1000,
    }


def test_it_is_settable_from_a_file() -> None:
    """Its annotations are those that the registry structures; functions cannot come from a file."""
    from unbroken._settings.structure import Given, structure

    table = {"requests": 50, "tokens": 40_000, "per": 60, "burst": 5, "max-wait": "none", "gate_on_429": False}
    config = structure(RateLimitConfig, [Given(table, "unbroken.toml")], "rate-limit")
    assert config == RateLimitConfig(requests=50, tokens=40_000, burst=5, max_wait=None, gate_on_429=False)
    with pytest.raises(ConfigurationError) as caught:
        structure(RateLimitConfig, [Given({"key": "origin", "request": 5}, "unbroken.toml")], "rate-limit")
    assert {problem.path for problem in caught.value.problems} == {"rate-limit.key", "rate-limit.request"}


def test_it_is_a_plugin_like_any_other() -> None:
    """Its public names."""
    import unbroken_rate_limit

    assert RateLimit.name == "rate-limit"
    assert issubclass(RateLimit, Plugin)
    assert sorted(unbroken_rate_limit.__all__) == list(unbroken_rate_limit.__all__)
    assert {"KeyState", "RateLimit", "RateLimitConfig", "Tokens"} == set(unbroken_rate_limit.__all__)
