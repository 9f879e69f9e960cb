"""`unbroken explain`: the plugins that a client would have here, the source of each setting, and the worst case."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, cast

import attrs
from rich.console import Console
from rich.text import Text

from unbroken import Client
from unbroken.config import Given, Settings, load_settings
from unbroken.registry import PluginOrderWarning, resolve_dialect, resolve_plugins

from ._console import console
from ._fields import alias, shown
from ._layout import SETTING_COLUMNS, Grid, show
from .worst_case import WorstCase

DEFAULTS = "defaults"


def explain(plugins: Sequence[str] | None, config: str | None, dialect: str) -> None:
    """Print the resolved pipeline, every setting with its source, and the worst case. Raises ConfigurationError."""
    out = console()
    settings = load_settings(config)
    settings = settings if plugins is None else settings.with_list(plugins, "--plugins")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PluginOrderWarning)
        built = resolve_plugins(plugins, config)
        transport = None if settings.transport is None else settings.transport.value
        insecure = None if settings.insecure is None else settings.insecure.value
        with Client(built, dialect=resolve_dialect(dialect), transport=transport, insecure=insecure) as client:
            pipeline = client.describe()
    for line in pipeline.splitlines():
        text = line.lstrip()
        margin = " " * (len(line) - len(text))
        show(out, Text(text), margin, f"{margin}  ")
    show(out, Text(f"list: from {settings.plugins_source}", "dim"), rest="  ")
    if settings.transport is not None:
        show(out, Text(f"transport: from {settings.transport.source}", "dim"), rest="  ")
    if settings.insecure is not None:
        show(out, Text(f"insecure: from {settings.insecure.source}", "dim"), rest="  ")
    for message in dict.fromkeys(str(each.message) for each in caught):
        show(out, Text(message, "yellow"), Text("! ", "yellow"), "  ")
    _show(out, built, settings)
    out.print()
    show(out, Text("the worst case of a call", "bold"))
    for heading, words in WorstCase.of(built).lines():
        show(out, Text(f"{heading}: {words}"), "  ", "    ")


def _show(out: Console, plugins: Sequence[object], settings: Settings) -> None:
    grid = Grid(SETTING_COLUMNS)
    for plugin in plugins:
        for row in _rows(plugin, settings):
            grid.add(*row)
    if grid.rows:
        out.print()
        grid.show(out)


def _rows(plugin: object, settings: Settings) -> Iterator[tuple[Text, Text, Text]]:
    name: str = getattr(plugin, "name", "")
    config: Any = getattr(plugin, "config", None)
    config_class = cast("Any", type(config))
    if not attrs.has(config_class):
        return
    layers = settings.layers(name)
    for attribute in (each for each in attrs.fields(config_class) if each.init):
        source = _source(alias(attribute), layers)
        style = "dim" if source == DEFAULTS else "bold"
        value = shown(alias(attribute), getattr(config, attribute.name), secret=not attribute.repr)
        yield Text(f"{name}.{alias(attribute)}", style), Text(value, style), Text(source, style)


def _source(field: str, layers: Sequence[Given]) -> str:
    """Return the sources of the value of a field. Nested tables are merged, so they can have several."""
    sources = [
        given.source
        for layer in layers
        if layer.is_table
        for key, given in layer.items()
        if str(key).replace("-", "_") == field
    ]
    return ", ".join(dict.fromkeys(reversed(sources))) or DEFAULTS
