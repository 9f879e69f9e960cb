"""A transport by its name: as an argument, in a file, in the environment."""

from typing import Any

import pytest

from unbroken import AsyncClient, Client, ConfigurationError
from unbroken._wire import AsyncWireTransport, WireTransport
from unbroken.registry import TRANSPORTS, discover
from unbroken.testing import AsyncScriptedTransport, FakeClock, ScriptedTransport
from unbroken.transport import Connections

BOTH = pytest.mark.parametrize("make", [Client, AsyncClient])


class Pigeon:
    """A factory."""

    name = "pigeon"
    seen: Connections

    def sync_transport(self, connections: Connections) -> Any:
        Pigeon.seen = connections
        return ScriptedTransport([], FakeClock())

    def async_transport(self, connections: Connections) -> Any:
        Pigeon.seen = connections
        return AsyncScriptedTransport([], FakeClock())


class Ill(Pigeon):
    """Cannot build anything."""

    name = "ill"

    def sync_transport(self, connections: Connections) -> Any:
        raise LookupError("no stamp")

    async_transport = sync_transport


class Picky(Pigeon):
    """Refuses its settings."""

    name = "picky"

    def sync_transport(self, connections: Connections) -> Any:
        raise ConfigurationError("no proxies")

    async_transport = sync_transport


class Stone:
    """No factory."""

    name = "stone"


class Thrown:
    """Cannot even be made."""

    name = "thrown"

    def __init__(self) -> None:
        raise LookupError("gone")


@pytest.fixture(autouse=True)
def pigeons(installed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    installed(TRANSPORTS, Pigeon, Ill, Picky, Stone, Thrown)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNBROKEN_TRANSPORT", raising=False)


def transport_of(client: Any) -> str:
    return next(line for line in client.describe().splitlines() if line.startswith("transport: "))


@BOTH
def test_a_transport_can_be_named(make: Any) -> None:
    """It is built with the client's connections."""
    client = make([], transport="pigeon", max_connections=7)
    assert transport_of(client) == "transport: pigeon"
    assert Pigeon.seen.max_connections == 7
    assert isinstance(client._transport.inner, ScriptedTransport | AsyncScriptedTransport)


@BOTH
@pytest.mark.parametrize("given", [None, "wire"])
def test_the_default_is_the_wire(make: Any, given: Any) -> None:
    """Whatever else is installed."""
    client = make([], transport=given)
    assert isinstance(client._transport.inner, WireTransport | AsyncWireTransport)
    assert transport_of(client) == "transport: wire"


@BOTH
def test_the_argument_goes_before_the_environment_and_that_before_the_file(
    make: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Each beats those before it."""
    (tmp_path / "unbroken.toml").write_text('plugins = []\ntransport = "pigeon"\n')
    assert transport_of(make()) == "transport: pigeon"
    monkeypatch.setenv("UNBROKEN_TRANSPORT", " ")
    assert transport_of(make()) == "transport: pigeon"
    monkeypatch.setenv("UNBROKEN_TRANSPORT", "wire")
    assert transport_of(make()) == "transport: wire"
    assert transport_of(make(config={"transport": "pigeon", "plugins": []})) == "transport: pigeon"
    assert transport_of(make(transport="pigeon")) == "transport: pigeon"
    assert transport_of(make([])) == "transport: wire"  # with objects alone no file and no variable is read
    given = make(transport=ScriptedTransport([], FakeClock()))
    assert transport_of(given) == "transport: ScriptedTransport"


@BOTH
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pigeom", r"'pigeom' is not installed \(did you mean 'pigeon'\?\); there is ill, picky, pigeon"),
        ("acme:h3", "'acme:h3' is not installed; there is "),
        ("stone", "stone is not a TransportFactory but an instance of type"),
        ("ill", r"cannot be built \(.*: LookupError: no stamp"),
        ("thrown", r"cannot be built \(.*: LookupError: gone"),
        ("picky", "no proxies"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(make: Any, name: str, message: str) -> None:
    """When the client is built."""
    with pytest.raises(ConfigurationError, match=message):
        make([], transport=name)


@pytest.mark.parametrize("value", [5, ["httpx"], {"name": "httpx"}, ""])
def test_what_is_no_name_is_refused(value: Any) -> None:
    """With its place."""
    with pytest.raises(ConfigurationError, match="transport: must be the name of a transport"):
        Client(config={"transport": value, "plugins": []})


def test_the_source_of_a_bad_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it can be found."""
    monkeypatch.setenv("UNBROKEN_TRANSPORT", "owl")
    with pytest.raises(ConfigurationError, match=r"from UNBROKEN_TRANSPORT"):
        Client(config={"plugins": []})


def test_no_transport_is_looked_up_where_the_pipeline_is_wrong() -> None:
    """What is wrong with the plugins is said, and no more."""
    with pytest.raises(ConfigurationError) as caught:
        Client(["nothing"])
    assert [problem.path for problem in caught.value.problems] == ["plugins"]


def test_the_wire_can_be_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tools that ask for all names alike."""
    monkeypatch.undo()
    (wire,) = (each for each in discover(TRANSPORTS) if each.id == "unbroken:wire")
    factory = wire.load("wire")()
    assert isinstance(factory.sync_transport(Connections()), WireTransport)
    assert isinstance(factory.async_transport(Connections()), AsyncWireTransport)
