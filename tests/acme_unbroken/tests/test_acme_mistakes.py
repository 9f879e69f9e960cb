"""What a plugin can be wrong in: each is an error that names it, when it is asked for, and harms no other plugin."""

from collections.abc import Callable

import pytest

import unbroken
from unbroken.registry import discover, resolve_plugins
from unbroken.testing import Answer, play, sse

BOTH = pytest.mark.parametrize("make", [unbroken.Client, unbroken.AsyncClient])
Make = Callable[..., object]


def refused(make: Make, *plugins: str, **config: object) -> unbroken.Problem:
    with pytest.raises(unbroken.ConfigurationError) as caught:
        make([*plugins], config=config or None)
    [problem] = caught.value.problems
    return problem


@BOTH
def test_a_plugin_that_cannot_be_imported(make: Make) -> None:
    """The distribution, the place and the reason are given."""
    problem = refused(make, "timeout", "acme-broken")
    assert problem.path == "acme-broken"
    assert problem.message.startswith("cannot be imported (acme_unbroken.broken:Nothing of distribution acme-unbroken")
    assert "No module named 'module_that_acme_forgot'" in problem.message


def test_a_broken_plugin_that_is_not_asked_for_harms_no_other() -> None:
    assert "acme-broken" in {each.name for each in discover()}
    played = play([Answer(body=sse("hello"))], ["timeout", "acme-stamp"])
    assert played.requests[0].headers["x-acme-stamp"] == "acme; attempt=1"


@BOTH
def test_a_hook_with_the_argument_of_another_version(make: Make) -> None:
    """The client is not built, and the message names plugin, hook and argument."""
    problem = refused(make, "acme-old")
    assert problem.path == "acme-old"
    assert "before_request" in problem.message
    assert "message" in problem.message


STRANGER = """
import unbroken


class Pause(unbroken.Plugin):
    name = "pause"

    def before_request(self, call, request):
        return request.with_headers({"x-pause": __name__})
"""


@pytest.fixture
def strangers(install: Callable[..., None]) -> None:
    for name in ("globex", "initech"):
        install(name, STRANGER, pause=f"{name}:Pause")


@BOTH
def test_two_strangers_with_one_name(make: Make, strangers: None) -> None:
    """The error names both and says how to choose."""
    message = refused(make, "pause").message
    assert "'pause' is offered by globex 1.0 and initech 1.0" in message
    assert 'choose with [pause] use = "globex:pause"' in message


@pytest.mark.parametrize(
    ("plugins", "config"),
    [(["pause"], {"pause": {"use": "initech:pause"}}), (["initech:pause"], None)],
    ids=["use", "listed"],
)
def test_one_of_two_strangers_is_chosen(strangers: None, plugins: list[str], config: object) -> None:
    played = play([Answer(body=sse("hello"))], plugins, client={"config": config})
    assert played.requests[0].headers["x-pause"] == "initech"


@BOTH
def test_one_name_cannot_be_listed_twice(make: Make, strangers: None) -> None:
    """Not even with two distributions, as the name is that of the table and of the decisions."""
    assert refused(make, "globex:pause", "initech:pause").message == (
        "'pause' is there twice; a name stands for one plugin"
    )


@BOTH
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise SystemError('no')", "cannot be imported (hooli:plugin of distribution hooli 1.0): SystemError: no"),
        ("plugin = 5", "hooli:hooli is neither a plugin class nor anything with hooks, but 5"),
        ("class plugin:\n    def __init__(self, x): ...", "cannot be built (hooli:plugin of distribution hooli 1.0)"),
        ("other = 5", "cannot be imported (hooli:plugin of distribution hooli 1.0): AttributeError"),
    ],
    ids=["raises", "no plugin", "takes arguments", "missing"],
)
def test_what_else_cannot_be_a_plugin(make: Make, install: Callable[..., None], source: str, message: str) -> None:
    install("hooli", source, hooli="hooli:plugin")
    assert refused(make, "hooli").message.startswith(message)


def test_a_setting_is_refused_by_the_name_of_the_plugin() -> None:
    with pytest.raises(unbroken.ConfigurationError) as caught:
        resolve_plugins(["acme-budget"], {"acme-budget": {"retries": -1, "retires": 2}})
    assert [problem.path for problem in caught.value.problems] == ["acme-budget.retires", "acme-budget.retries"]
