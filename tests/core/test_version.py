"""The version, and the User-Agent that says it."""

import importlib.metadata
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import unbroken
from unbroken import AsyncClient, Client, Headers, Request
from unbroken._version import version
from unbroken.headers import user_agent
from unbroken.testing import Answer, sse

URL = "https://api.example.org/v1"


@pytest.fixture
def uncached() -> Iterator[None]:
    """Look the version up anew, and again for those that follow."""
    version.cache_clear()
    yield
    version.cache_clear()


def test_the_version_is_that_of_the_distribution() -> None:
    """One number, in pyproject.toml."""
    assert unbroken.__version__ == importlib.metadata.version("unbroken")


def test_a_package_without_metadata_has_an_unknown_version(monkeypatch: pytest.MonkeyPatch, uncached: None) -> None:
    """As in a frozen application, which must work."""

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert unbroken.__version__ == "unknown"


def test_other_names_are_missing_as_in_any_module() -> None:
    """A misspelt name is no version."""
    with pytest.raises(AttributeError, match="module 'unbroken' has no attribute '__verison__'"):
        _ = unbroken.__verison__  # type: ignore[attr-defined]


def test_importing_does_not_look_the_version_up() -> None:
    """Reading the metadata takes time that a program may not need to spend."""
    script = "import sys, unbroken; print('importlib.metadata' in sys.modules, unbroken.__version__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", unbroken.__version__]


def test_a_request_says_who_sends_it() -> None:
    """Some networks refuse clients without a name. A pre-release of Python has the number of its release."""
    python = re.match(r"\d+\.\d+\.\d+", platform.python_version())
    assert python is not None
    expected = f"unbroken/{unbroken.__version__} python/{python[0]}"
    assert user_agent() == Request.build("GET", URL).headers["user-agent"] == expected
    assert Request.build("POST", URL, json={}).headers["user-agent"] == expected
    assert expected in repr(Request.build("GET", URL))


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", "USER-AGENT"])
@pytest.mark.parametrize("value", ["mine/1.0 (me@example.org)", ""])
@pytest.mark.parametrize("where", ["client", "call"])
def test_the_caller_may_have_a_name_of_its_own(play: Any, name: str, value: str, where: str) -> None:
    """As with the other default headers, and sent once; an empty one is sent as it is."""
    given = {name: value}
    options = {"client": {"headers": given}} if where == "client" else {"headers": given}
    played = play([Answer(body=sse("a"))], **options)
    sent = [pair for pair in played.requests[0].headers.items_raw if pair[0].lower() == "user-agent"]
    assert sent == [(name, value)]


@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_none_is_no_value_of_a_header(make: type[Client]) -> None:
    """Of this one as of any other."""
    with pytest.raises(unbroken.ConfigurationError, match=r"headers\.User-Agent: must be a string, not NoneType"):
        make([], headers={"User-Agent": None})  # type: ignore[dict-item]


def test_a_header_is_replaced_by_a_plugin(play: Any) -> None:
    """As any header of a request."""

    class Named(unbroken.Plugin):
        name = "named"

        def before_request(self, call: unbroken.Call, request: Request) -> Request:
            return request.with_headers({"user-agent": "plugin/1"})

    played = play([Answer(body=sse("a"))], [Named()])
    assert Headers(played.requests[0].headers.items_raw)["user-agent"] == "plugin/1"
