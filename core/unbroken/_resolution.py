"""From the names in a list to plugin objects, with all problems on the way."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from attrs import define, field

from ._settings.discovery import Discovered, by_id, by_name, unknown
from ._settings.refusals import place
from .config import ARGUMENTS, Given, Settings, canonical, name_of, structure
from .errors import ConfigurationError, Problem
from .plugin import MARK, Plugin, plugin_name
from .validators import shown


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


def repeated(names: Iterable[str]) -> list[Problem]:
    """Return a problem for each name that is there more than once."""
    listed = list(names)
    twice = sorted({name for name in listed if listed.count(name) > 1})
    return [Problem("plugins", f"{name!r} is there twice; a name stands for one plugin") for name in twice]


@define
class Resolution:
    """Turns one list of names and objects into a list of objects, and collects the problems."""

    settings: Settings
    found: Sequence[Discovered]
    """The plugins that are installed."""
    present: Mapping[str, object] = field(factory=dict[str, object])
    """By name, the plugins that are returned again if their settings are still the same."""
    problems: list[Problem] = field(factory=list[Problem])
    cause: BaseException | None = None

    def built(self) -> list[object]:
        """Return the objects. Raises one ConfigurationError with all problems."""
        self.problems += self.settings.problems
        self.check_names()
        entries = self.settings.plugins
        plugins = [self.plugin(entry) if isinstance(entry, str) else entry for entry in entries]
        if not self.problems:
            self.problems += repeated(map(plugin_name, plugins))
        if self.problems:
            raise ConfigurationError.of(*self.problems) from self.cause
        return plugins

    def checked(self, transport: Callable[[Given], object]) -> tuple[Problem, ...]:
        """Return the problems of the list, of every table and of the transport, which `transport` finds, each once."""
        self.problems += self.settings.problems
        self.check_names()
        entries = [entry for entry in self.settings.plugins if isinstance(entry, str)]
        in_list = {canonical(name_of(entry)) for entry in entries}
        installed = dict.fromkeys(each.name for each in self.found)
        tables = {canonical(name) for name in self.settings.tables} - in_list
        for entry in (*entries, *(name for name in installed if canonical(name) in tables)):
            self.attempt(entry, self.settled)
        if self.settings.transport is not None:
            self.noted(partial(transport, self.settings.transport))
        return tuple(dict.fromkeys(self.problems))

    def check_names(self) -> None:
        """Note a problem for each repeated name, and for each table or removal of an unknown plugin."""
        entries = self.settings.plugins
        names = [name_of(entry) if isinstance(entry, str) else plugin_name(entry) for entry in entries]
        objects = {canonical(plugin_name(entry)) for entry in entries if not isinstance(entry, str)}
        known = {canonical(name) for name in (*names, *(each.name for each in self.found))}
        self.problems += repeated(names)
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
