"""The names of this distribution's plugins and dialects, as a client and a third party meet them."""

from typing import Any

import pytest

from unbroken import AsyncClient, Client, ConfigurationError
from unbroken.config import DEFAULT_PLUGINS
from unbroken.registry import DIALECTS, discover, resolve_plugins
from unbroken.testing import FakeClock, ScriptedTransport

BOTH = pytest.mark.parametrize("make", [Client, AsyncClient])


def resolved(plugins: Any = None, config: Any = None) -> list[Any]:
    return resolve_plugins(plugins, config, environ={}, cwd="/")


def test_the_default_list_is_installed() -> None:
    """Every plugin of it is this distribution's own."""
    plugins = resolved()
    assert tuple(plugin.name for plugin in plugins) == DEFAULT_PLUGINS
    assert all(type(plugin).__module__.startswith("unbroken_") for plugin in plugins)


def test_plain_sse_is_a_dialect_like_the_others() -> None:
    """It has a name, so that a configuration can ask for it."""
    assert {found.id for found in discover(DIALECTS)} >= {"unbroken:sse", "unbroken:anthropic", "unbroken:openai"}


@BOTH
@pytest.mark.parametrize("name", ["sse", "anthropic", "openai"])
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


def test_a_third_party_retry_clashes_with_the_built_in_one_until_chosen(acme: None) -> None:
    """The error names both distributions; the choice settles it."""
    with pytest.raises(ConfigurationError) as caught:
        resolved(["retry"])
    [problem] = caught.value.problems
    assert problem.path == "plugins"
    assert f"acme-unbroken 1.0.0 and unbroken {_version()}" in problem.message
    [retry] = resolved(["retry"], {"retry": {"use": "acme-unbroken:retry", "pause": 2}})
    assert type(retry).__name__ == "PatientRetry"
    assert retry.config.pause == 2.0


def _version() -> str:
    [built_in] = [found for found in discover() if found.id == "unbroken:retry"]
    return built_in.version
