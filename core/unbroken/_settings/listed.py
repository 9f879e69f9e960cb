"""The argument `plugins` of a client: a list, and not the one thing that belongs into it."""

from collections.abc import Iterable, Mapping, Set
from typing import Any

from ..errors import ConfigurationError
from ..plugin import Plugin
from ..validators import refused, shown


def listed(given: Iterable[object]) -> list[object]:
    """Return `given` as a list. Raises ConfigurationError that shows the list to give in its place."""
    plugins: Any = given
    if isinstance(plugins, type):
        raise _lone(plugins, "is a class; give a list of its objects")
    if isinstance(plugins, Plugin):
        raise _lone(type(plugins), "is one plugin; give a list")
    if isinstance(plugins, str):
        raise refused("plugins", f"must be a list of plugins, not {shown(plugins)}; give a list: [{shown(plugins)}]")
    if isinstance(plugins, bytes | bytearray | Mapping | Set) or not isinstance(plugins, Iterable):
        raise refused("plugins", f"must be a list of plugins, outermost first, not of type {given.__class__.__name__}")
    return [*given]


def _lone(kind: Any, what: str) -> ConfigurationError:
    return refused("plugins", f"{kind.__name__} {what}: [{kind.__name__}()]")
