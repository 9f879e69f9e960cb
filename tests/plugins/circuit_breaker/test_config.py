"""What can be set about breaking the circuit, in which ways, and what is refused."""

import math
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from unbroken import ConfigurationError, registry
from unbroken_circuit_breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState, Window

COUNTS = (0, -1, 2.5, math.nan, "3", True, None)
SECONDS = (0, -1.0, math.nan, math.inf, "1", True, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"E63-{name}-{value!r}")
        for name, values in {
            "failure_threshold": COUNTS,
            "recovery_timeout": SECONDS,
            "half_open_success_threshold": COUNTS,
            "half_open_max_probes": COUNTS,
            "window": ("count", 5, {"size": 5}),
            "slow_call": SECONDS[:-1],
            "count_429": ("false", 1, None),
            "max_open_time": SECONDS,
            "probe_lease": SECONDS,
            "key": ("origin", 1),
            "max_keys": COUNTS,
            "idle_expiry": SECONDS,
            "circuit": ("", None, 1),
            "initial_state": ("open", "half_open", "", None),
        }.items()
        for value in values
    ],
)
def test_E63_a_bad_value_is_refused_by_name(name: str, value: Any) -> None:
    """The error says which field is wrong, whether the config or the plugin is built."""
    for build in (CircuitBreakerConfig, CircuitBreaker):
        with pytest.raises(ConfigurationError) as caught:
            build(**{name: value})
        assert [problem.path for problem in caught.value.problems] == [name]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        pytest.param({name: value}, name, id=f"E63-{name}-{value!r}")
        for name, values in {
            "kind": ("calls", None),
            "size": (0, 0.5, -1, math.nan, math.inf, 1e9, "10", None),
            "min_calls": COUNTS,
            "failure_rate": (0, -0.5, 1.5, math.nan, "0.5", True),
            "slow_rate": (0, -0.5, 1.5, math.nan),
        }.items()
        for value in values
    ]
    + [
        pytest.param({"size": 10.5}, "size", id="half-a-call"),
        pytest.param({"size": 5, "min_calls": 6}, "min_calls", id="never-enough-calls"),
        pytest.param({"failure_rate": None}, "failure_rate", id="nothing-to-look-at"),
    ],
)
def test_E63_a_bad_window_is_refused_by_name(values: dict[str, Any], name: str) -> None:
    """What could never open a circuit is refused too."""
    with pytest.raises(ConfigurationError) as caught:
        Window(**values)
    assert [problem.path for problem in caught.value.problems] == [name]


def test_E63_a_slow_rate_needs_to_know_what_is_slow() -> None:
    """The two belong together."""
    with pytest.raises(ConfigurationError, match="slow_call: must be given"):
        CircuitBreakerConfig(window=Window(slow_rate=0.5))


@pytest.mark.parametrize(
    "values",
    [
        {"window": Window(size=3)},
        {"window": Window(kind="time", size=2.5, min_calls=100, failure_rate=1)},
        {"window": Window(size=1, min_calls=1, failure_rate=None, slow_rate=1), "slow_call": 0.001},
        {"recovery_timeout": 1000, "max_open_time": 1},
        {"key": lambda call: call.request.url},
        {"initial_state": CircuitState.DISABLED},
    ],
    ids=lambda values: "-".join(values),
)
def test_values_at_the_edge_are_accepted(values: dict[str, Any]) -> None:
    """What makes sense is not refused."""
    config = CircuitBreakerConfig(**values)
    assert {name: getattr(config, name) for name in values} == values


@pytest.mark.parametrize(
    ("preset", "expected"), [("DEFAULT", (5, 30.0, 2)), ("LENIENT", (10, 60.0, 3)), ("STRICT", (3, 15.0, 1))]
)
def test_presets(preset: str, expected: tuple[Any, ...]) -> None:
    """Failures, seconds, successes; everything else as by default."""
    config = getattr(CircuitBreakerConfig, preset)
    found = (config.failure_threshold, config.recovery_timeout, config.half_open_success_threshold)
    assert found == expected
    changed = {"failure_threshold", "recovery_timeout", "half_open_success_threshold"}
    values = attrs.asdict(config, filter=lambda attribute, _: attribute.name not in changed)
    assert values.items() <= attrs.asdict(CircuitBreakerConfig()).items()


def test_a_preset_can_be_changed() -> None:
    """A config, and values to replace in it."""
    breaker = CircuitBreaker(CircuitBreakerConfig.STRICT, recovery_timeout=1.0)
    assert (breaker.config.failure_threshold, breaker.config.recovery_timeout) == (3, 1.0)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the plugin be found by its name, and the configuration in an empty folder."""
    entry = EntryPoint("circuit-breaker", "unbroken_circuit_breaker:CircuitBreaker", registry.PLUGINS)
    monkeypatch.setattr(registry, "_entry_points", lambda group: [entry])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def built(**arguments: Any) -> CircuitBreakerConfig:
    (breaker,) = registry.resolve_plugins(["circuit-breaker"], **arguments)
    assert isinstance(breaker, CircuitBreaker)
    return breaker.config


def test_everything_but_the_key_can_be_set_in_a_file_and_the_environment(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window is a table of its own; the environment wins."""
    (installed / "unbroken.toml").write_text(
        "[circuit-breaker]\n"
        "failure_threshold = 7\nslow_call = 4\ncount_429 = true\ninitial_state = 'metrics_only'\n"
        "[circuit-breaker.window]\nkind = 'time'\nsize = 30\nslow_rate = 0.8\n"
    )
    monkeypatch.setenv("UNBROKEN_CIRCUIT_BREAKER__WINDOW__SIZE", "60")
    monkeypatch.setenv("UNBROKEN_CIRCUIT_BREAKER__CIRCUIT", "upstream")
    assert built() == CircuitBreakerConfig(
        failure_threshold=7,
        slow_call=4.0,
        count_429=True,
        initial_state="metrics_only",
        window=Window(kind="time", size=60.0, slow_rate=0.8),
        circuit="upstream",
    )


def test_E63_problems_of_a_file_are_named_with_their_place(installed: Path) -> None:
    """All of them at once."""
    config = {"circuit-breaker": {"failure_treshold": 1, "recovery_timeout": -1, "window": {"size": 0, "min_calls": 0}}}
    with pytest.raises(ConfigurationError) as caught:
        built(config=config)
    assert {problem.path for problem in caught.value.problems} == {
        "circuit-breaker.failure_treshold",
        "circuit-breaker.recovery_timeout",
        "circuit-breaker.window.size",
        "circuit-breaker.window.min_calls",
    }


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"window": {"size": 5, "min_calls": 6}}, "circuit-breaker.window.min_calls"),
        ({"window": {"slow_rate": 0.5}}, "circuit-breaker.slow_call"),
        ({"key": "origin"}, "circuit-breaker.key"),
    ],
    ids=["min_calls", "slow_call", "key"],
)
def test_E63_what_does_not_fit_together_is_named_too(installed: Path, values: dict[str, Any], path: str) -> None:
    """Also where two fields are at odds, and where only Python can give a value."""
    with pytest.raises(ConfigurationError) as caught:
        built(config={"circuit-breaker": values})
    assert [problem.path for problem in caught.value.problems] == [path]


def test_the_public_names() -> None:
    """Public names are listed and sorted, and there are no others."""
    package = sys.modules["unbroken_circuit_breaker"]
    assert list(package.__all__) == sorted(package.__all__)
    public = {name for name in vars(package) if not name.startswith("_")}
    assert public == set(package.__all__)


def test_the_defaults_are_the_documented_ones() -> None:
    """Five failures in a row, half a minute, and two probes."""
    assert attrs.asdict(CircuitBreakerConfig()) == {
        "failure_threshold": 5,
        "recovery_timeout": 30.0,
        "half_open_success_threshold": 2,
        "half_open_max_probes": 1,
        "window": None,
        "slow_call": None,
        "count_429": False,
        "max_open_time": 300.0,
        "probe_lease": 60.0,
        "key": None,
        "max_keys": 1000,
        "idle_expiry": 900.0,
        "circuit": "default",
        "initial_state": "closed",
        "shadow": False,
    }


def test_the_rate_limit_belongs_behind_it() -> None:
    """Or a refused call has spent its tokens."""
    limit, breaker = SimpleNamespace(name="rate-limit"), CircuitBreaker()
    assert registry.order_problems([breaker, limit]) == []
    (problem,) = registry.order_problems([limit, breaker])
    assert problem.startswith("rate-limit in front of circuit-breaker: ")
