"""What can be set about retrying, and what is refused."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import cattrs
import pytest

from unbroken.config import load_settings, structure
from unbroken.errors import ConfigurationError
from unbroken.registry import order_problems
from unbroken_retry import Retry, RetryBudget, RetryConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"E63-{name}-{value!r}")
        for name, values in {
            "max_retries": (-1, 2.5, math.nan, "3", True, None),
            "initial_delay": (-1.0, math.nan, math.inf, "1", True),
            "max_delay": (-0.001, math.nan, math.inf, None),
            "multiplier": (0.0, 0.5, -2.0, math.nan, math.inf, None),
            "jitter": (2, 1.01, -0.1, math.nan, math.inf, None),
            "jitter_kind": ("gaussian", "", None),
            "retry_statuses": (429, "429", {"429"}, {200}, {399}, {600}, {429.0}, {True}, None, [[429]]),
            "max_retry_after": (-1.0, math.nan, math.inf, None),
            "respect_should_retry": ("false", 1, None),
            "retry_local": ("true", 0, None),
            "budget": (0.2, True, {"ratio": 0.2}, "none"),
        }.items()
        for value in values
    ],
)
def test_E63_a_bad_value_is_refused_by_name(name: str, value: Any) -> None:
    """The error says which field is wrong, whether the config or the plugin is built."""
    for build in (RetryConfig, Retry):
        with pytest.raises(ConfigurationError) as caught:
            build(**{name: value})
        assert [problem.path.split(".")[0] for problem in caught.value.problems] == [name]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"initial_delay": 0, "max_delay": 0}, id="no-delay"),
        pytest.param({"multiplier": 1}, id="constant-delay"),
        pytest.param({"jitter": 1}, id="whole-jitter"),
        pytest.param({"initial_delay": 5.0, "max_delay": 2.0}, id="max-delay-cuts-the-first-delay-too"),
        pytest.param({"retry_statuses": ()}, id="no-status"),
        pytest.param({"retry_statuses": {400, 599}}, id="first-and-last-status"),
        pytest.param({"initial_delay": None}, id="delay-by-class"),
        pytest.param({"budget": None}, id="no-budget"),
    ],
)
def test_values_at_the_edge_are_accepted(values: dict[str, Any]) -> None:
    """What makes sense is not refused."""
    assert (
        attrs.asdict(RetryConfig(**values)).items()
        >= {name: frozenset(value) if name == "retry_statuses" else value for name, value in values.items()}.items()
    )


def test_the_defaults_are_the_documented_ones() -> None:
    """DESIGN.md §7 and the production guide."""
    assert attrs.asdict(Retry().config) == {
        "max_retries": 3,
        "initial_delay": None,
        "max_delay": 30.0,
        "multiplier": 2.0,
        "jitter": 0.1,
        "jitter_kind": "proportional",
        "retry_statuses": frozenset({429, 500, 502, 503, 504, 529}),
        "max_retry_after": 120.0,
        "respect_should_retry": True,
        "retry_local": False,
        "budget": {"ratio": 0.2, "min_per_second": 10.0, "window": 10.0},
        "shadow": False,
    }


def test_the_presets_are_configurations() -> None:
    """The three presets of the production guide, by its meaning."""
    assert RetryConfig() == RetryConfig.DEFAULT
    assert RetryConfig(max_retries=0) == RetryConfig.NONE
    aggressive = RetryConfig(max_retries=5, initial_delay=0.5, max_delay=60.0, multiplier=1.5)
    assert aggressive == RetryConfig.AGGRESSIVE
    assert Retry(RetryConfig.AGGRESSIVE).config is RetryConfig.AGGRESSIVE
    assert Retry(RetryConfig.AGGRESSIVE, max_retries=9).config == attrs.evolve(aggressive, max_retries=9)


def test_a_configuration_cannot_be_changed() -> None:
    """One configuration serves many threads."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        RetryConfig.DEFAULT.max_retries = 9  # type: ignore[misc]


def test_a_configuration_can_be_structured_from_a_file() -> None:
    """Its annotations are those that cattrs understands."""
    values = {"max_retries": 5, "jitter_kind": "full", "retry_statuses": [408, 429]}
    expected = RetryConfig(max_retries=5, jitter_kind="full", retry_statuses={408, 429})
    assert cattrs.structure(values, RetryConfig) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"E63-budget-{name}-{value!r}")
        for name, values in {
            "ratio": (-0.1, math.nan, math.inf, "0.2", True, None, 101),
            "min_per_second": (-1, math.nan, math.inf, None, 1e7),
            "window": (0, -1, math.nan, math.inf, None, 86_401),
        }.items()
        for value in values
    ],
)
def test_E63_a_bad_budget_is_refused_by_name(name: str, value: Any) -> None:
    """As every other setting."""
    with pytest.raises(ConfigurationError) as caught:
        RetryBudget(**{name: value})
    assert [problem.path for problem in caught.value.problems] == [name]


@pytest.mark.parametrize(
    ("toml", "environ", "expected"),
    [
        pytest.param("[retry.budget]\nratio = 0.1", {}, RetryBudget(ratio=0.1), id="toml"),
        pytest.param(
            "[retry.budget]\nratio = 0.1\nwindow = 60",
            {"UNBROKEN_RETRY__BUDGET__RATIO": "0.5"},
            RetryBudget(ratio=0.5, window=60),
            id="environment-over-toml",
        ),
        pytest.param('[retry]\nbudget = "none"', {}, None, id="toml-none"),
        pytest.param("", {"UNBROKEN_RETRY__BUDGET": "none"}, None, id="environment-none"),
        pytest.param("", {}, RetryBudget(), id="default"),
    ],
)
def test_the_budget_is_set_from_a_file_and_the_environment(
    tmp_path: Path, toml: str, environ: dict[str, str], expected: RetryBudget | None
) -> None:
    """Key by key, the environment over the file; ``none`` switches it off."""
    (tmp_path / "unbroken.toml").write_text(toml)
    settings = load_settings(environ=environ, cwd=tmp_path)
    assert structure(RetryConfig, settings.layers("retry"), "retry").budget == expected


def test_statuses_may_come_in_any_collection() -> None:
    """TOML has lists; people write sets."""
    assert Retry(retry_statuses=[429, 408]).config.retry_statuses == frozenset({408, 429})


@pytest.mark.parametrize("name", ["circuit-breaker", "rate-limit"])
def test_what_looks_at_each_attempt_belongs_behind_it(name: str) -> None:
    """In front of it, it would see one attempt of each call."""
    other = SimpleNamespace(name=name)
    assert order_problems([Retry(), other]) == []
    (problem,) = order_problems([other, Retry()])
    assert problem.startswith(f"{name} in front of retry: ")
