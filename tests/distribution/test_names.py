"""The names of this distribution's plugins and dialects, as a client and a third party meet them."""

from typing import Any

import pytest

from unbroken import AsyncClient, Client, ConfigurationError
from unbroken.registry import DIALECTS, discover, order_problems, resolve_plugins
from unbroken.testing import FakeClock, ScriptedTransport
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_logging import Logging
from unbroken_metrics import Metrics
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_timeout import Timeout

BOTH = pytest.mark.parametrize("make", [Client, AsyncClient])


def resolved(plugins: Any = None, config: Any = None) -> list[Any]:
    return resolve_plugins(plugins, config, environ={}, cwd="/")


def test_the_default_list_is_installed() -> None:
    """Every plugin of it is this distribution's own, in an order that makes sense."""
    plugins = resolved()
    assert [plugin.name for plugin in plugins] == ["timeout", "retry", "circuit-breaker", "rate-limit"]
    assert all(type(plugin).__module__.startswith("unbroken_") for plugin in plugins)


def test_plain_sse_is_a_dialect_like_the_others() -> None:
    """It has a name, so that a configuration can ask for it."""
    assert {found.id for found in discover(DIALECTS)} >= {"unbroken:sse", "unbroken:anthropic", "unbroken:openai"}


@BOTH
@pytest.mark.parametrize("name", ["sse", "anthropic", "openai", "gemini"])
def test_a_dialect_can_be_named(make: Any, name: str) -> None:
    """A client takes the name for the object."""
    client = make([], dialect=name, transport=ScriptedTransport([], FakeClock()))
    assert client.describe().startswith(f"dialect: {name}\n")


@BOTH
@pytest.mark.parametrize(
    ("settings", "path"),
    [
        pytest.param({"jitter": 2}, "jitter", id="E63-jitter"),
        pytest.param({"initial_delay": -1}, "initial_delay", id="E63-delay"),
        pytest.param({"max_delay": float("nan")}, "max_delay", id="E63-nan"),
    ],
)
def test_E63_through_the_client_the_field_is_named(make: Any, settings: dict[str, Any], path: str) -> None:
    """With the plugin that it belongs to."""
    with pytest.raises(ConfigurationError) as caught:
        make(["retry"], config={"retry": settings})
    assert [problem.path for problem in caught.value.problems] == [f"retry.{path}"]


def test_a_stranger_with_the_name_of_ours_changes_nothing_until_chosen(acme: None) -> None:
    """By the configuration, or in the list; the table of the name is for the one that was chosen."""
    assert type(resolved(["retry"])[0]).__module__.startswith("unbroken_retry")
    assert [type(plugin).__module__.partition(".")[0] for plugin in resolved()][1] == "unbroken_retry"
    for plugins, config in (
        (["retry"], {"retry": {"use": "acme-unbroken:retry", "pause": 2}}),
        (["acme-unbroken:retry"], {"retry": {"pause": 2}}),
    ):
        [retry] = resolved(plugins, config)
        assert type(retry).__name__ == "PatientRetry"
        assert retry.config.pause == 2.0


POLICIES = {"timeout": Timeout, "retry": Retry, "circuit-breaker": CircuitBreaker, "rate-limit": RateLimit}
OBSERVERS = {"logging": Logging, "metrics": Metrics}


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        (["timeout", "retry", "circuit-breaker", "rate-limit"], []),
        (["logging", "metrics", "timeout", "retry"], []),
        (["rate-limit"], []),
        (["rate-limit", "circuit-breaker"], ["rate-limit in front of circuit-breaker"]),
        (["circuit-breaker", "retry"], ["circuit-breaker in front of retry"]),
        (["rate-limit", "retry"], ["rate-limit in front of retry"]),
        (["rate-limit", "timeout"], ["rate-limit in front of timeout"]),
        (["retry", "timeout"], ["retry in front of timeout"]),
        (["timeout", "retry", "logging"], ["timeout and retry in front of logging"]),
        (["logging", "timeout", "metrics", "retry"], ["timeout in front of metrics"]),
        (
            ["rate-limit", "retry", "timeout"],
            ["rate-limit in front of retry", "rate-limit and retry in front of timeout"],
        ),
    ],
    ids="-".join,
)
def test_each_pair_that_defeats_its_purpose_is_named_with_the_reason(names: list[str], wrong: list[str]) -> None:
    """The rules are the plugins' own."""
    found = order_problems([{**POLICIES, **OBSERVERS}[name]() for name in names])
    assert [problem.partition(":")[0] for problem in found] == wrong
    assert all(len(problem.partition(": ")[2]) > 20 for problem in found)
