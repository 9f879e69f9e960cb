"""From names to plugin objects. Only the named plugins are imported; a list of objects alone needs no look-up."""

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
from attrs import frozen

from ._resolution import Resolution, choose, repeated
from ._settings.discovery import (
    DIALECTS,
    PLUGINS,
    TRANSPORTS,
    Discovered,
    by_id,
    by_name,
    installed_entry_points,
    list_installed,
)
from ._settings.listed import listed
from ._settings.order import order_problems
from .config import ConfigSource, Given, Settings, load_settings
from .dialect import Dialect
from .errors import ConfigurationError, Problem
from .plugin import plugin_name
from .transport import TransportFactory
from .validators import shown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "DIALECTS",
    "PLUGINS",
    "TRANSPORTS",
    "Discovered",
    "PluginOrderWarning",
    "Resolved",
    "check",
    "choose",
    "discover",
    "listed",
    "order_problems",
    "resolve",
    "resolve_dialect",
    "resolve_plugins",
    "resolve_transport",
]


class PluginOrderWarning(UserWarning):
    """The order of the plugins breaks one of their rules; the message says why it matters."""


def discover(group: str = PLUGINS) -> list[Discovered]:
    """Return everything that is installed under an entry point group. Imports nothing and never fails."""
    return list_installed(_entry_points(group))


@frozen
class Resolved:
    """The plugins of a client."""

    plugins: list[object]
    """The plugin objects, outermost first."""
    left_out: tuple[str, ...] = ()
    """Plugins of the default list that are not installed."""
    transport: Given | None = None
    """The name of the transport, where a file, the environment or `config` has one."""
    insecure: Given | None = None
    """Whether credentials may be sent over ``http://``, where one of them says so."""
    from_settings: bool = False
    """Whether settings were read. They are not if all plugins are objects."""


def resolve(
    plugins: Sequence[str | object] | None = None,
    config: ConfigSource = None,
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: str | os.PathLike[str] | None = None,
    present: Sequence[object] = (),
) -> Resolved:
    """Return the plugins for a client, the default ones that are not installed, and the client's own settings.

    `plugins` are names, ``distribution:name``, objects or a mixture of them. None takes the names from `config`, the
    environment, a file or the default list. If all are objects, no settings are read and nothing is looked up. Of the
    `present` plugins, those that are named with the settings that they have are returned again. Raises
    ConfigurationError with all problems. Warns with `PluginOrderWarning` at the caller's line outside of this package.
    """
    if plugins is not None:
        plugins = listed(plugins)
    if plugins is not None and not any(isinstance(plugin, str) for plugin in plugins):
        resolved = Resolved(_objects_only(plugins, config))
    else:
        settings = load_settings(config, environ=environ, cwd=cwd)
        settings = settings if plugins is None else settings.with_list(plugins)
        built = Resolution(settings, discover(), {plugin_name(plugin): plugin for plugin in present}).built()
        resolved = Resolved(built, settings.left_out, settings.transport, settings.insecure, from_settings=True)
    for problem in order_problems(resolved.plugins):
        warnings.warn(problem, PluginOrderWarning, _frames_to_the_user())
    return resolved


def resolve_plugins(
    plugins: Sequence[str | object] | None = None,
    config: ConfigSource = None,
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: str | os.PathLike[str] | None = None,
) -> list[object]:
    """Return the plugin objects of `resolve`, outermost first."""
    return resolve(plugins, config, environ=environ, cwd=cwd).plugins


def check(settings: Settings) -> tuple[Problem, ...]:
    """Return all problems of settings; none if a client can be built from them.

    Imports the plugins of the list, those that have a table, and the transport, but builds no plugin: a file that a
    plugin would open is not opened.
    """
    return Resolution(settings, discover()).checked(resolve_transport)


def resolve_dialect(dialect: str | Dialect) -> Dialect:
    """Return `dialect` itself, or the dialect installed under that name or ``distribution:name``.

    Raises ConfigurationError if there is none or more than one, or if it cannot be used.
    """
    if isinstance(dialect, Dialect):
        return dialect
    if not isinstance(cast("object", dialect), str):
        given = f"the class {dialect.__name__}" if isinstance(dialect, type) else shown(dialect)
        raise ConfigurationError.of(Problem("dialect", f"must be a name or a Dialect object, not {given}"))
    chosen, loaded, built = _named(dialect, DIALECTS, Problem("dialect", "dialect={!r}"))
    made: Dialect = built
    if not isinstance(cast("object", built), Dialect):  # pyright narrows Any to a Dialect of unknown events
        raise ConfigurationError.of(Problem("dialect", f"{chosen.id} is not a Dialect but {shown(loaded)}"))
    return made


def resolve_transport(given: Given) -> tuple[Discovered, TransportFactory]:
    """Return what is installed under the name or ``distribution:name`` of a transport, and its factory.

    Raises ConfigurationError when there is none, when there are several, and when it cannot be used.
    """
    at = Problem("transport", 'transport = "{}"', given.source)
    chosen, loaded, built = _named(given.value, TRANSPORTS, at)
    if not all(callable(getattr(built, name, None)) for name in ("sync_transport", "async_transport")):
        message = f"{chosen.id} is not a TransportFactory but {shown(loaded)}"
        raise ConfigurationError.of(attrs.evolve(at, message=message))
    return chosen, cast("TransportFactory", built)


def _named(name: str, group: str, at: Problem) -> tuple[Discovered, Any, Any]:
    """Return what an entry point group offers under a name or id, loaded, and built where it is a class."""
    chosen = (by_id if ":" in name else by_name)(name, discover(group), at)
    loaded = chosen.load(at.path)
    try:
        return chosen, loaded, loaded() if isinstance(loaded, type) else loaded
    except Exception as error:
        raise chosen.failure(at.path, "cannot be built", error) from error


def _entry_points(group: str) -> "list[EntryPoint]":
    return installed_entry_points(group)


def _frames_to_the_user() -> int:
    package = str(Path(__file__).parent)
    frame = sys._getframe(1)
    level = 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame = frame.f_back
        level += 1
    return level


def _objects_only(plugins: Sequence[object], config: ConfigSource) -> list[object]:
    problems = repeated(map(plugin_name, plugins))
    if config:
        problems.append(Problem("config", "has nothing to configure: every plugin is an object, built already"))
    if problems:
        raise ConfigurationError.of(*problems)
    return list(plugins)
