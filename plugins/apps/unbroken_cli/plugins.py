"""`unbroken plugins`: the installed plugins, dialects and transports, their state and their settings.

A plugin that cannot be imported is listed with its problem.
"""

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from unbroken import ConfigurationError, Plugin
from unbroken.config import DEFAULTS, Settings, load_settings, name_of, nearest
from unbroken.hookspecs import HookSpecs
from unbroken.registry import DIALECTS, PLUGINS, TRANSPORTS, Discovered, choose, discover

from ._console import PLAIN_WIDTH, console, say
from ._fields import first_paragraph, settings_of


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
    if out.width < PLAIN_WIDTH:
        for each in installed:
            _show_entry(out, each)
    else:
        out.print(_table(installed))
    out.print()
    words = "Settings of one: unbroken plugins NAME. What a client would use: unbroken explain."
    out.print(Text(words, "dim"), soft_wrap=not out.is_terminal)


def _show_entry(out: Console, each: Installed) -> None:
    """Print the row of a table that has no room."""
    entry = each.entry
    out.print(Text.assemble((entry.name, "bold"), f"  {each.kind}, {entry.distribution} {entry.version}"))
    out.print(Padding(Text(entry.value, "dim"), (0, 0, 0, 2)))
    out.print(Padding(_state(each), (0, 0, 0, 2)))


def _state(each: Installed) -> Text:
    return Text(f"✗ {each.problem}", "red") if each.problem else Text(f"✓ {each.state}", "green")


def _table(installed: Sequence[Installed]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for heading in ("name", "kind", "entry point", "distribution", "state"):
        table.add_column(heading, overflow="fold")
    for each in installed:
        table.add_row(
            Text(each.entry.name, "bold"),
            each.kind,
            each.entry.value,
            f"{each.entry.distribution} {each.entry.version}",
            _state(each),
        )
    return table


def _show_one(out: Console, each: Installed) -> None:
    entry = each.entry
    out.print(Text.assemble((entry.name, "bold cyan"), f"  {each.kind}, {entry.distribution} {entry.version}"))
    out.print(Text(entry.value, "dim"))
    if each.problem:
        out.print(Text(f"✗ {each.problem}", "red"), soft_wrap=True)
    if each.loaded is None:
        return
    doc = first_paragraph(getattr(each.loaded, "__doc__", None) or "")
    out.print(Text(doc), soft_wrap=not out.is_terminal)
    if each.kind == "plugin":
        out.print(Text(f"hooks: {', '.join(_hooks(each.loaded)) or 'none'}"))
        _show_settings(out, entry.name, getattr(each.loaded, "Config", None))
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
        out.print(line, soft_wrap=not out.is_terminal)
        if setting.doc:
            doc = Padding(Text(setting.doc), (0, 0, 0, 4)) if out.is_terminal else Text(f"    {setting.doc}")
            out.print(doc, soft_wrap=not out.is_terminal)
