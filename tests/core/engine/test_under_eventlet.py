"""A client in a process whose sockets were replaced by eventlet."""

import sys
from types import ModuleType
from typing import Any

import pytest

from unbroken import AsyncClient, Client, ConfigurationError
from unbroken.relay import AsyncRelay, Relay

MAKERS = pytest.mark.parametrize("make", [Client, AsyncClient, Relay, AsyncRelay])


def pretend(monkeypatch: pytest.MonkeyPatch, **names: Any) -> None:
    """Put a module in the place of the one that knows what is patched."""
    module = ModuleType("eventlet.patcher")
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, "eventlet.patcher", module)


@MAKERS
def test_patched_sockets_are_refused(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the client is made, with what to use instead."""
    pretend(monkeypatch, is_monkey_patched=lambda name: name == "socket")
    with pytest.raises(ConfigurationError, match=r"^eventlet\.monkey_patch\(\): has replaced the sockets .* threads"):
        make([])


@pytest.mark.parametrize("names", [{"is_monkey_patched": lambda name: name == "thread"}, {}], ids=["others", "unknown"])
def test_eventlet_without_its_sockets_is_fine(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is only imported, or replaces something else."""
    pretend(monkeypatch, **names)
    Client([]).close()
