"""`unbroken plugins`: the installed plugins, dialects and transports, their state and their settings.

A plugin that cannot be imported is listed with its problem.
"""

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from rich.console import Console
from rich.text import Text

from unbroken import ConfigurationError, Plugin
from unbroken.config import DEFAULTS, Settings, load_settings, name_of, nearest
from unbroken.hookspecs import HookSpecs
from unbroken.registry import DIALECTS, PLUGINS, TRANSPORTS, Discovered, choose, discover

from ._console import console, say
from ._fields import first_paragraph, settings_of
from ._layout import Column, Grid, show


@frozen
class Installed:
    """An entry point and the result of loading it."""

    kind: str
    """``plugin``, ``dialect`` or ``transport``."""
    entry: Discovered
    loaded: Any = None
    problem: str = ""
    state: str = ""
    """What its name stands for in the configuration that is found here."""


def list_plugins(names: Sequence[str]) -> bool:
    """Print all that is installed, or the settings of those in `names`. Returns whether all names are known."""
    out = console()
    kinds = {"plugin": PLUGINS, "dialect": DIALECTS, "transport": TRANSPORTS}
    installed = [each for kind, group in kinds.items() for each in _installed(kind, group)]
    if not names:
        _show_all(out, installed)
        return True
    known = True
    for name in names:
        named = [each for each in installed if each.entry.name == name]
        for each in named:
            _show_one(out, each)
        if not named:
            known = False
            close = nearest(name, [each.entry.name for each in installed])
            say(f"{name!r} is not installed{close}\n")
    return known


def _installed(kind: str, group: str) -> list[Installed]:
    found = discover(group)
    settings = _settings()
    return [_load(kind, each, settings, found) for each in found]


def _settings() -> Settings:
    """Return the settings that a client would use here; those without a file when the file cannot be read."""
    try:
        return load_settings()
    except ConfigurationError:  # `unbroken explain` says what is wrong with it
        return load_settings({}, environ={}, cwd="/")


def _load(kind: str, entry: Discovered, settings: Settings, found: Sequence[Discovered]) -> Installed:
    try:
        loaded = entry.load(entry.name)
    except (ConfigurationError, SystemExit) as error:  # importing a module may even exit
        problems = getattr(error, "problems", ())
        said = problems[0].message if problems else "exits when it is imported"
        return Installed(kind, entry, problem=said)
    listed = [each for each in settings.plugins if isinstance(each, str) and name_of(each) == entry.name]
    try:
        chosen = choose(listed[0] if listed else entry.name, settings, found)
    except ConfigurationError:
        how = f'choose with [{entry.name}] use = "{entry.id}"'
        return Installed(kind, entry, loaded, f"offered more than once; {how}")
    if chosen != entry:
        return Installed(kind, entry, loaded, state=f"loads, but {entry.name!r} means {chosen.id}")
    used = kind == "plugin" and listed
    source = "default" if settings.plugins_source == DEFAULTS else settings.plugins_source
    choice = settings.choice(entry.name)
    how = f" (chosen by {choice.source})" if choice is not None else ""
    return Installed(kind, entry, loaded, state=f"loads{f', used by {source}' if used else ''}{how}")


def _show_all(out: Console, installed: Sequence[Installed]) -> None:
    grid = _grid(installed)
    if not out.is_terminal or grid.fits(out.width):
        grid.show(out)
    else:
        for each in installed:
            _show_entry(out, each)
    out.print()
    words = "Settings of one: unbroken plugins NAME. What a client would use: unbroken explain."
    show(out, Text(words, "dim"))


def _show_entry(out: Console, each: Installed) -> None:
    """Print the row of a table that has no room."""
    show(out, _heading(each, "bold"), rest="  ")
    show(out, Text(each.entry.value, "dim"), "  ", "  ")
    show(out, _state(each), "  ", "    ")


def _heading(each: Installed, style: str) -> Text:
    entry = each.entry
    return Text.assemble((entry.name, style), f"  {each.kind}, {entry.distribution} {entry.version}")


def _state(each: Installed) -> Text:
    return Text(f"✗ {each.problem}", "red") if each.problem else Text(f"✓ {each.state}", "green")


def _grid(installed: Sequence[Installed]) -> Grid:
    grid = Grid(tuple(map(Column, ("name", "kind", "entry point", "distribution", "state"))))
    for each in installed:
        entry = each.entry
        distribution = f"{entry.distribution} {entry.version}"
        grid.add(Text(entry.name, "bold"), each.kind, entry.value, distribution, _state(each))
    return grid


def _show_one(out: Console, each: Installed) -> None:
    show(out, _heading(each, "bold cyan"), rest="  ")
    show(out, Text(each.entry.value, "dim"))
    if each.problem:
        show(out, Text(f"✗ {each.problem}", "red"), rest="  ")
    if each.loaded is None:
        return
    show(out, Text(first_paragraph(getattr(each.loaded, "__doc__", None) or "")))
    if each.kind == "plugin":
        show(out, Text(f"hooks: {', '.join(_hooks(each.loaded)) or 'none'}"), rest="  ")
        _show_settings(out, each.entry.name, getattr(each.loaded, "Config", None))
    out.print()


def _hooks(plugin: Any) -> list[str]:
    names = [name for name in vars(HookSpecs) if not name.startswith("_")]
    return [name for name in names if getattr(plugin, name, None) not in {None, getattr(Plugin, name)}]


def _show_settings(out: Console, name: str, config_class: Any) -> None:
    settings = settings_of(config_class)
    if not settings:
        out.print(Text("no settings"))
        return
    out.print()
    out.print(Text(f"[{name}]", "bold"))
    for setting in settings:
        line = Text.assemble((setting.name, "bold"), (f" = {setting.default}", "green"), (f"  {setting.type}", "dim"))
        show(out, line, rest="  ")
        if setting.doc:
            show(out, Text(setting.doc), "    ", "    ")
