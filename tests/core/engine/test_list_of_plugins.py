"""What is given in the place of the list of plugins, wherever such a list is taken."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from unbroken import AsyncClient, Client, ConfigurationError
from unbroken.registry import resolve_plugins
from unbroken.relay import AsyncRelay, Relay
from unbroken.testing import Answer, play

from ..kit import Retry, Timeout

MAKERS = [Client, AsyncClient, Relay, AsyncRelay, resolve_plugins]
TAKERS = pytest.mark.parametrize(
    "take", [*MAKERS, lambda plugins: play([Answer()], plugins)], ids=[*(each.__name__ for each in MAKERS), "play"]
)


@TAKERS
@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(Retry(), r"Retry is one plugin; give a list: [Retry()]", id="plugin"),
        pytest.param(Retry, r"Retry is a class; give a list of its objects: [Retry()]", id="class"),
        pytest.param("retry", r"must be a list of plugins, not 'retry'; give a list: ['retry']", id="name"),
        pytest.param({"retry": {}}, "must be a list of plugins, outermost first, not of type dict", id="table"),
        pytest.param({"retry"}, "must be a list of plugins, outermost first, not of type set", id="set"),
        pytest.param(b"retry", "must be a list of plugins, outermost first, not of type bytes", id="bytes"),
        pytest.param(3, "must be a list of plugins, outermost first, not of type int", id="number"),
        pytest.param(sys, "must be a list of plugins, outermost first, not of type module", id="module"),
    ],
)
def test_what_is_no_list_is_told_with_the_list(take: Callable[[Any], object], given: Any, message: str) -> None:
    """The sentence has what to write instead."""
    with pytest.raises(ConfigurationError) as caught:
        take(given)
    assert [(each.path, each.message) for each in caught.value.problems] == [("plugins", message)]


def test_any_sequence_of_plugins_will_do() -> None:
    """Also one that can be read only once."""
    assert "plugins=[timeout, retry]" in repr(Client(each for each in (Timeout(), Retry())))  # type: ignore[arg-type]
    assert "plugins=[timeout, retry]" in repr(Client((Timeout(), Retry())))


def test_a_class_in_the_list_is_told_too() -> None:
    """By its name."""
    with pytest.raises(ConfigurationError, match="retry: is a class; give an instance of it"):
        Client([Retry])
