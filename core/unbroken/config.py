"""The sources of settings: a TOML file, the environment, arguments. Each overrides those before it.

`load_settings` collects the settings and `unbroken.registry` applies them::

    plugins = ["timeout", "retry"]      # unbroken.toml, or [tool.unbroken] in pyproject.toml
    transport = "httpx"                 # UNBROKEN_TRANSPORT=httpx
    [retry]
    max_retries = 5                     # UNBROKEN_RETRY__MAX_RETRIES=5, config={"retry": {"max_retries": 5}}
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, cast

from attrs import define, evolve, field, frozen

from ._settings.discovery import default_names
from ._settings.refusals import place
from ._settings.structure import ARGUMENTS, DEFAULTS, Given, structure
from .errors import ConfigurationError, Problem
from .validators import nearest, shown

__all__ = [
    "ARGUMENTS",
    "DEFAULTS",
    "Given",
    "Settings",
    "default_plugins",
    "load_settings",
    "name_of",
    "nearest",
    "structure",
]

ConfigSource = Mapping[str, Any] | str | os.PathLike[str] | None

_PREFIX = "UNBROKEN_"
_LIST = "plugins"
_TRANSPORT = "transport"
_CHOICE = "use"

# The TOML parser of Python takes time in the square of the parts of a dotted key.
_MAX_VALUE = 8192
"""Characters of an environment variable that is read as TOML; a longer one is text."""
_MAX_FILE = 1024 * 1024
"""Bytes of a configuration file."""
_MAX_DOTS = 2048
"""Points in one line of a configuration file."""


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
    problems: tuple[Problem, ...] = ()
    """Values that should have been a table, a list or a name. The registry raises them with all other problems."""

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
    file = _find(cwd) if named is None else _named(Path(named))
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
            elif not isinstance(key, str):
                self.refuse(shown(key), "is not the name of a plugin", source)
            else:
                self.table(key, Given(value, source))

    def environment(self, environ: Mapping[str, str]) -> None:
        """Add ``UNBROKEN_PLUGINS``, ``UNBROKEN_TRANSPORT`` and every ``UNBROKEN_<PLUGIN>__<FIELD>``.

        Other variables with this prefix are ignored: Kubernetes sets ``UNBROKEN_PORT`` for a service named unbroken.
        """
        names = [name.strip() for name in environ.get("UNBROKEN_PLUGINS", "").split(",")]
        if any(names):
            self.lists.append(([name for name in names if name], "UNBROKEN_PLUGINS"))
        if transport := environ.get("UNBROKEN_TRANSPORT", "").strip():
            self.transport_name(transport, "UNBROKEN_TRANSPORT")
        for variable in sorted(environ):  # so that …__BUDGET__RATIO follows and overrides …__BUDGET
            plugin, *path = variable.removeprefix(_PREFIX).lower().split("__")
            if variable.startswith(_PREFIX) and path:
                text = environ[variable]
                self.table(plugin, Given(_parsed(text), variable, text, tuple(path)))

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

    def table(self, name: str, given: Given) -> None:
        """Add one source's values for a plugin: a table or, from Python only, a finished config object."""
        name = canonical(name)
        if not given.is_table and (given.source != ARGUMENTS or not hasattr(given.value, "__attrs_attrs__")):
            self.refuse(
                place(name),
                f"must be a table, not {shown(given.value)}{nearest(name, [_LIST, _TRANSPORT])}",
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


def _parsed(text: str) -> Any:
    """Return `text` parsed as a TOML value, or `text` itself when it is not one."""
    import tomllib

    if len(text) > _MAX_VALUE:
        return text
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if list(table) == ["value"] else text


def _find(cwd: str | os.PathLike[str] | None) -> tuple[Mapping[str, Any], str] | None:
    try:
        directory = Path(cwd or Path.cwd()).absolute()
    except FileNotFoundError:  # the working directory has been deleted
        return None
    for folder in (directory, *directory.parents):
        own = _read(folder / "unbroken.toml", optional=True)
        if own is not None:
            return _toml(own, folder / "unbroken.toml"), str(folder / "unbroken.toml")
        shared = _read(folder / "pyproject.toml", optional=True)
        # A pyproject.toml that cannot contain [tool.unbroken] is not parsed, so its mistakes raise no error here.
        table = _project_table(shared, folder / "pyproject.toml") if shared and b"unbroken" in shared else None
        if table is not None:
            return table, str(folder / "pyproject.toml")
    return None


def _named(path: Path) -> tuple[Mapping[str, Any], str]:
    data = _read(path) or b""
    if path.name != "pyproject.toml":
        return _toml(data, path), str(path)
    table = _project_table(data, path)
    if table is None:
        raise ConfigurationError.of(Problem("", "has no table [tool.unbroken]", str(path)))
    return table, str(path)


def _read(path: Path, *, optional: bool = False) -> bytes | None:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if optional and isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            return None
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError.of(Problem("", f"cannot be read: {reason}", str(path))) from error


def _toml(data: bytes, path: Path) -> dict[str, Any]:
    import tomllib

    if len(data) > _MAX_FILE:
        raise ConfigurationError.of(Problem("", f"has more than {_MAX_FILE} bytes", str(path)))
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.count(b".") > _MAX_DOTS:
            raise ConfigurationError.of(Problem("", f"line {number} has more than {_MAX_DOTS} points", str(path)))
    try:
        return tomllib.loads(data.decode())
    except (
        ValueError,
        RecursionError,
    ) as error:  # invalid TOML, invalid UTF-8, a number with too many digits, nesting that is too deep
        raise ConfigurationError.of(Problem("", f"is not valid TOML: {error}", str(path))) from None


def _project_table(data: bytes, path: Path) -> Mapping[str, Any] | None:
    tool: Any = _toml(data, path).get("tool")
    table: Any = cast("dict[str, Any]", tool).get("unbroken") if isinstance(tool, dict) else None
    if table is None or isinstance(table, dict):
        return cast("dict[str, Any] | None", table)
    raise ConfigurationError.of(Problem("tool.unbroken", f"must be a table, not {shown(table)}", str(path)))
