"""From names to plugin objects. Only the named plugins are imported; a list of objects alone needs no look-up."""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
from attrs import define, field, frozen

from ._settings.discovery import (
    DIALECTS,
    PLUGINS,
    TRANSPORTS,
    Discovered,
    by_id,
    by_name,
    installed_entry_points,
    list_installed,
    unknown,
)
from ._settings.listed import listed
from ._settings.order import order_problems
from ._settings.refusals import place
from .config import ARGUMENTS, ConfigSource, Given, Settings, canonical, load_settings, name_of, structure
from .dialect import Dialect
from .errors import ConfigurationError, Problem
from .plugin import MARK, Plugin, plugin_name
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
        built = _Resolution(settings, {plugin_name(plugin): plugin for plugin in present}).built()
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
    return _Resolution(settings).checked()


def choose(entry: str, settings: Settings, found: Sequence[Discovered]) -> Discovered:
    """Return what an entry of a list stands for: the list goes before ``use``, and both before the plain name.

    Raises ConfigurationError when nothing of that name is installed, and when several others offer it.
    """
    name = name_of(entry)
    source, choice = settings.plugins_source, settings.choice(name)
    if entry != name:
        return by_id(entry, found, Problem("plugins", "", source))
    if choice is not None:
        return by_id(choice.value, found, Problem(f"{name}.use", "", choice.source))
    return by_name(name, found, Problem("plugins", f'[{name}] use = "{{}}"', source))


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
    problems = _repeated(map(plugin_name, plugins))
    if config:
        problems.append(Problem("config", "has nothing to configure: every plugin is an object, built already"))
    if problems:
        raise ConfigurationError.of(*problems)
    return list(plugins)


def _repeated(names: Iterable[str]) -> list[Problem]:
    listed = list(names)
    twice = sorted({name for name in listed if listed.count(name) > 1})
    return [Problem("plugins", f"{name!r} is there twice; a name stands for one plugin") for name in twice]


@define
class _Resolution:
    """Turns one list of names and objects into a list of objects, and collects the problems."""

    settings: Settings
    present: Mapping[str, object] = field(factory=dict[str, object])
    """By name, the plugins that are returned again if their settings are still the same."""
    found: list[Discovered] = field(factory=lambda: discover(PLUGINS))
    problems: list[Problem] = field(factory=list[Problem])
    cause: BaseException | None = None

    def built(self) -> list[object]:
        """Return the objects. Raises one ConfigurationError with all problems."""
        self.problems += self.settings.problems
        self.check_names()
        entries = self.settings.plugins
        plugins = [self.plugin(entry) if isinstance(entry, str) else entry for entry in entries]
        if not self.problems:
            self.problems += _repeated(map(plugin_name, plugins))
        if self.problems:
            raise ConfigurationError.of(*self.problems) from self.cause
        return plugins

    def checked(self) -> tuple[Problem, ...]:
        """Return the problems of the list, of every table and of the transport, each once."""
        self.problems += self.settings.problems
        self.check_names()
        entries = [entry for entry in self.settings.plugins if isinstance(entry, str)]
        in_list = {canonical(name_of(entry)) for entry in entries}
        installed = dict.fromkeys(each.name for each in self.found)
        tables = {canonical(name) for name in self.settings.tables} - in_list
        for entry in (*entries, *(name for name in installed if canonical(name) in tables)):
            self.attempt(entry, self.settled)
        if self.settings.transport is not None:
            self.noted(partial(resolve_transport, self.settings.transport))
        return tuple(dict.fromkeys(self.problems))

    def check_names(self) -> None:
        """Note a problem for each repeated name, and for each table or removal of an unknown plugin."""
        entries = self.settings.plugins
        names = [name_of(entry) if isinstance(entry, str) else plugin_name(entry) for entry in entries]
        objects = {canonical(plugin_name(entry)) for entry in entries if not isinstance(entry, str)}
        known = {canonical(name) for name in (*names, *(each.name for each in self.found))}
        self.problems += _repeated(names)
        for name, layers in self.settings.tables.items():
            if name not in known:
                self.problems.append(Problem(place(name), unknown(name, self.found), layers[-1].source))
            elif name in objects and layers[-1].source == ARGUMENTS:
                self.problems.append(Problem(name, "is given as an object, built already, and as a table"))
        for given in self.settings.removed:
            if given.value not in {each.name for each in self.found}:
                self.problems.append(Problem("plugins", unknown(given.value, self.found), given.source))

    def plugin(self, entry: str) -> object:
        """Return the object for an entry of the list. On failure, note the problem and return None."""
        return self.attempt(entry, self.configured)

    def attempt(self, entry: str, use: Callable[[str, Discovered, Any], object]) -> object:
        """Import what an entry of the list stands for and `use` it. On failure, note the problem and return None."""
        name = name_of(entry)

        def imported() -> object:
            chosen = choose(entry, self.settings, self.found)
            return use(name, chosen, chosen.load(name))

        return self.noted(imported)

    def noted(self, make: Callable[[], object]) -> object:
        """Return what `make` returns. On failure, note the problem and return None."""
        try:
            return make()
        except ConfigurationError as error:
            self.problems += error.problems
            self.cause = self.cause or error.__cause__
            return None

    def configured(self, name: str, chosen: Discovered, loaded: Any) -> object:
        """Return the plugin, built from its settings."""
        if _takes_config(loaded):
            config, present = self.settled(name, chosen, loaded), self.present.get(name)
            if type(present) is loaded and getattr(present, "config", None) == config:
                return present
            return _built(name, chosen, lambda: loaded.from_config(config))
        self.settled(name, chosen, loaded)
        return _built(name, chosen, loaded) if isinstance(loaded, type) else loaded

    def settled(self, name: str, chosen: Discovered, loaded: Any) -> object:
        """Return the configuration of a plugin, which is None for one that takes none."""
        layers = self.settings.layers(name)
        if _takes_config(loaded):
            return _built(name, chosen, lambda: structure(loaded.Config, layers, name))
        if any(not layer.is_table or layer.path or layer.value for layer in layers):
            raise ConfigurationError.of(Problem(name, "has no settings", layers[-1].source))
        if not isinstance(loaded, type | Plugin) and not _has_hooks(loaded):
            message = f"{chosen.id} is neither a plugin class nor anything with hooks, but {shown(loaded)}"
            raise ConfigurationError.of(Problem(name, message, "installed distributions"))
        return None


def _takes_config(loaded: Any) -> bool:
    config_class: Any = getattr(loaded, "Config", None)
    return isinstance(loaded, type) and hasattr(loaded, "from_config") and attrs.has(config_class)


def _built(name: str, chosen: Discovered, make: Callable[[], object]) -> object:
    try:
        return make()
    except ConfigurationError as error:
        problems = error.problems or (Problem("", error.message),)
        raise ConfigurationError.of(*(_under(name, problem) for problem in problems)) from error.__cause__
    except Exception as error:
        raise chosen.failure(name, "cannot be built", error) from error


def _under(name: str, problem: Problem) -> Problem:
    path = problem.path if problem.path.split(".")[0] == name else f"{name}.{problem.path}".rstrip(".")
    return attrs.evolve(problem, path=path)


def _has_hooks(thing: object) -> bool:
    return any(hasattr(getattr(thing, name, None), MARK) for name in dir(thing))
