"""The names `httpx` and `httpx2`, as a client meets them."""

import sys
from typing import Any

import pytest

from unbroken import AsyncClient, Client, ConfigurationError
from unbroken.registry import TRANSPORTS, discover
from unbroken_httpx import AsyncHTTPXTransport, HTTPXTransport, _library


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_both_names_are_installed(name: str) -> None:
    """Both kinds of client can be built with them."""
    assert f"unbroken:{name}" in {found.id for found in discover(TRANSPORTS)}
    client, aclient = (make([], transport=name, verify=False) for make in (Client, AsyncClient))
    assert isinstance(client._transport.inner, HTTPXTransport)
    assert isinstance(aclient._transport.inner, AsyncHTTPXTransport)
    assert f"transport: {name}\n" in client.describe()
    client.close()


def test_a_library_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """httpx2 is an extra."""
    monkeypatch.setitem(sys.modules, "httpx2", None)
    monkeypatch.delitem(sys.modules, "unbroken_httpx.over_httpx2", raising=False)
    _library.library.cache_clear()
    with pytest.raises(ConfigurationError, match=r"httpx2 is not installed.*unbroken\[httpx2\]"):
        Client([], transport="httpx2")
    _library.library.cache_clear()


def test_another_module_that_is_missing_is_not_taken_for_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation keeps its own message."""

    def broken(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'idna'", name="idna")

    monkeypatch.setattr(_library, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="idna"):
        _library.library.__wrapped__("httpx2")


def test_socks_without_its_package_is_refused_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first request."""
    monkeypatch.setattr("unbroken_httpx._settings.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"proxy: a SOCKS proxy needs the package socksio.*httpx\[socks\]"):
        Client([], transport="httpx", proxy="socks5://127.0.0.1:9", verify=False)
