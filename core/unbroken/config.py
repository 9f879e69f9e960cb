"""The sources of settings: a TOML file, the environment, arguments. Each overrides those before it.

`load_settings` collects the settings and `unbroken.registry` applies them::

    plugins = ["timeout", "retry"]      # unbroken.toml, or [tool.unbroken] in pyproject.toml
    transport = "httpx"                 # UNBROKEN_TRANSPORT=httpx
    insecure = true                     # UNBROKEN_INSECURE=1
    [retry]
    max_retries = 5                     # UNBROKEN_RETRY__MAX_RETRIES=5, config={"retry": {"max_retries": 5}}
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeGuard, cast

from attrs import define, evolve, field, frozen

from ._settings.discovery import default_names
from ._settings.refusals import place, wording
from ._settings.sources import find_file, named_file, parsed
from ._settings.structure import ARGUMENTS, DEFAULTS, Given, structure
from .errors import Problem
from .validators import nearest, shown

__all__ = [
    "ARGUMENTS",
    "DEFAULTS",
    "Given",
    "Settings",
    "default_plugins",
    "load_settings",
    "name_of",
    "named_file",
    "nearest",
    "structure",
    "wording",
]

ConfigSource = Mapping[str, Any] | str | os.PathLike[str] | None

_PREFIX = "UNBROKEN_"
_LIST = "plugins"
_TRANSPORT = "transport"
_INSECURE = "insecure"
_SWITCH: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
"""What a variable that is on or off may be set to."""
_CHOICE = "use"


@frozen(kw_only=True)
class Settings:
    """The settings of all sources, not yet checked against the plugins."""

    plugins: tuple[str | object, ...] = ()
    """The plugins to use, in order: names, ``distribution:name``, and the objects of a list given in Python."""
    plugins_source: str = DEFAULTS
    left_out: tuple[str, ...] = ()
    """The plugins of the default list that are not installed."""
    removed: tuple[Given, ...] = ()
    """The names that a list removed with a leading ``-``."""
    use: Mapping[str, Given] = field(factory=dict[str, Given])
    """For each plugin, the ``distribution:entry-point-name`` to use."""
    tables: Mapping[str, tuple[Given, ...]] = field(factory=dict[str, tuple[Given, ...]])
    """For each plugin, its values in ascending order of precedence."""
    transport: Given | None = None
    """The name of the transport; None for the default one."""
    insecure: Given | None = None
    """Whether credentials may be sent over ``http://``; None where no source says."""
    problems: tuple[Problem, ...] = ()
    """Values of the wrong kind, such as a list that is none. The registry raises them with all other problems."""

    def layers(self, name: str) -> tuple[Given, ...]:
        """Return the values for one plugin, in ascending order of precedence."""
        return self.tables.get(canonical(name), ())

    def choice(self, name: str) -> Given | None:
        """Return the ``distribution:entry-point-name`` configured for one plugin, None if there is none."""
        return self.use.get(canonical(name))

    def with_list(self, entries: Sequence[str | object], source: str = ARGUMENTS) -> "Settings":
        """Return these settings changed by a list that takes precedence.

        If all `entries` begin with ``-``, they are removed from the present list; otherwise they replace it.
        """
        removed = tuple(Given(entry[1:], source) for entry in entries if _is_removal(entry))
        kept = tuple(entry for entry in entries if not _is_removal(entry))
        names = {given.value for given in removed}
        listed = {name_of(entry) for entry in kept if isinstance(entry, str)}
        idle = [given.value for given in removed if kept and given.value not in listed]
        replaced = bool(kept) or not entries
        return evolve(
            self,
            plugins=tuple(
                entry
                for entry in (kept if replaced else self.plugins)
                if not (isinstance(entry, str) and name_of(entry) in names)
            ),
            plugins_source=source,
            left_out=() if replaced else tuple(name for name in self.left_out if name not in names),
            removed=self.removed + removed,
            problems=(
                *self.problems,
                *(Problem(_LIST, f"'-{name}' removes nothing", source) for name in idle),
            ),
        )


def name_of(entry: str) -> str:
    """Return the plugin's name from an entry of a list, which is ``name`` or ``distribution:name``."""
    return entry.rpartition(":")[2]


def _is_removal(entry: object) -> TypeGuard[str]:
    return isinstance(entry, str) and entry.startswith("-")


def load_settings(
    config: ConfigSource = None,
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: str | os.PathLike[str] | None = None,
) -> Settings:
    """Return the settings of all sources.

    `config` is a mapping, which takes precedence over everything else, or the path of the TOML file to read. Without a
    path, the file is the one named by ``UNBROKEN_CONFIG``, or else ``unbroken.toml`` or a ``pyproject.toml`` with
    ``[tool.unbroken]`` in `cwd` or the nearest directory above it. Raises ConfigurationError for a file that cannot be
    read or is not valid TOML.
    """
    collected = _Collected()
    named = config if isinstance(config, str | os.PathLike) else environ.get("UNBROKEN_CONFIG") or None
    file = find_file(cwd) if named is None else named_file(Path(named))
    if file is not None:
        collected.document(*file)
    collected.environment(environ)
    if isinstance(config, Mapping):
        collected.document(config, ARGUMENTS)
    elif named is not config and config is not None:
        collected.refuse("config", f"must be a table or a path, not {shown(config)}", ARGUMENTS)
    return collected.settings()


def default_plugins() -> tuple[str, ...]:
    """Return the names of the installed plugins of the default list, outermost first."""
    return tuple(default_names()[0])


def canonical(name: str) -> str:
    """Return a plugin's name in the spelling used for comparison: lower case, ``-`` instead of ``_``."""
    return name.replace("_", "-").lower()


@define
class _Collected:
    lists: list[tuple[list[str], str]] = field(factory=list[tuple[list[str], str]])
    use: dict[str, Given] = field(factory=dict[str, Given])
    tables: dict[str, list[Given]] = field(factory=dict[str, list[Given]])
    transport: Given | None = None
    insecure: Given | None = None
    problems: list[Problem] = field(factory=list[Problem])

    def settings(self) -> Settings:
        tables = {name: tuple(layers) for name, layers in self.tables.items()}
        there, missing = default_names()
        settings = Settings(
            plugins=tuple(there),
            left_out=tuple(missing),
            use=self.use,
            tables=tables,
            transport=self.transport,
            insecure=self.insecure,
            problems=tuple(self.problems),
        )
        for entries, source in self.lists:
            settings = settings.with_list(entries, source)
        return settings

    def refuse(self, path: str, message: str, source: str) -> None:
        self.problems.append(Problem(path, message, source))

    def document(self, document: Mapping[Any, Any], source: str) -> None:
        """Add the settings of a TOML document, or of a mapping of the same form."""
        for key, value in document.items():
            if key == _LIST:
                self.names(value, source)
            elif key == _TRANSPORT:
                self.transport_name(value, source)
            elif key == _INSECURE:
                self.switch(value, source)
            elif not isinstance(key, str):
                self.refuse(shown(key), "is not the name of a plugin", source)
            else:
                self.table(key, Given(value, source))

    def environment(self, environ: Mapping[str, str]) -> None:
        """Add ``UNBROKEN_PLUGINS``, ``…_TRANSPORT``, ``…_INSECURE`` and every ``UNBROKEN_<PLUGIN>__<FIELD>``.

        Other variables with this prefix are ignored: Kubernetes sets ``UNBROKEN_PORT`` for a service named unbroken.
        """
        names = [name.strip() for name in environ.get("UNBROKEN_PLUGINS", "").split(",")]
        if any(names):
            self.lists.append(([name for name in names if name], "UNBROKEN_PLUGINS"))
        if transport := environ.get("UNBROKEN_TRANSPORT", "").strip():
            self.transport_name(transport, "UNBROKEN_TRANSPORT")
        if insecure := environ.get("UNBROKEN_INSECURE", "").strip():
            self.switch(_SWITCH.get(insecure.lower(), insecure), "UNBROKEN_INSECURE")
        for variable in sorted(environ):  # so that …__BUDGET__RATIO follows and overrides …__BUDGET
            plugin, *path = variable.removeprefix(_PREFIX).lower().split("__")
            if variable.startswith(_PREFIX) and path:
                text = environ[variable]
                self.table(plugin, Given(parsed(text), variable, text, tuple(path)))

    def names(self, value: Any, source: str) -> None:
        entries: list[Any] = list(cast("Iterable[Any]", value)) if isinstance(value, list | tuple) else [None]
        if all(isinstance(entry, str) for entry in entries):
            self.lists.append((entries, source))
        else:
            self.refuse(_LIST, "must be a list of names", source)

    def transport_name(self, value: Any, source: str) -> None:
        if isinstance(value, str) and value:
            self.transport = Given(value, source)
        else:
            self.refuse(_TRANSPORT, f"must be the name of a transport, not {shown(value)}", source)

    def switch(self, value: Any, source: str) -> None:
        if isinstance(value, bool):
            self.insecure = Given(value, source)
        else:
            self.refuse(_INSECURE, f"must be true or false, not {shown(value)}", source)

    def table(self, name: str, given: Given) -> None:
        """Add one source's values for a plugin: a table or, from Python only, a finished config object."""
        name = canonical(name)
        if not given.is_table and (given.source != ARGUMENTS or not hasattr(given.value, "__attrs_attrs__")):
            self.refuse(
                place(name),
                f"must be a table, not {shown(given.value)}{nearest(name, [_LIST, _TRANSPORT, _INSECURE])}",
                given.source,
            )
            return
        if given.is_table:
            given = self._without_choice(name, given)
        self.tables.setdefault(name, []).append(given)

    def _without_choice(self, name: str, given: Given) -> Given:
        entries = given.items()
        for key, choice in entries:
            if key == _CHOICE and isinstance(choice.whole(), str):
                self.use[name] = evolve(choice, value=choice.whole(), path=())
            elif key == _CHOICE:
                self.refuse(f"{name}.{_CHOICE}", "must be distribution:entry-point-name", given.source)
        if not given.path:
            return evolve(given, value={key: entry.value for key, entry in entries if key != _CHOICE})
        return evolve(given, value={}, path=()) if given.path[0] == _CHOICE else given
