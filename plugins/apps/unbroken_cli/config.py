"""`unbroken config`: every value that a client would have here and its source, and the check of a file."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import attrs
from attrs import field, frozen
from rich.text import Text

from unbroken import ConfigurationError, Problem
from unbroken.config import Given, Settings, load_settings
from unbroken.registry import check, resolve, resolve_transport

from ._console import UNUSABLE, complain, console, printable
from ._fields import alias, shown
from ._layout import SETTING_COLUMNS, Grid
from ._lines import Keys
from ._origins import DEFAULT, Origin, Origins
from ._values import in_both_forms

_TRANSPORT: Final = "wire"


@frozen
class Value:
    """One resolved value."""

    name: str
    text: str
    """The value as a file would have it."""
    plain: Any
    """The value as JSON has it. A secret is ``(hidden)``."""
    origins: tuple[Origin, ...]
    """Its sources, the strongest first. A table that cannot be taken apart may have several."""

    def document(self) -> dict[str, Any]:
        """Return the value as JSON."""
        return {"name": self.name, "value": self.plain, "from": [attrs.asdict(each) for each in self.origins]}


def show_config(plugins: Sequence[str] | None, config: str | None, *, as_json: bool = False) -> None:
    """Print every resolved value with its source. Raises ConfigurationError."""
    settings = load_settings(config)
    settings = settings if plugins is None else settings.with_list(plugins, "--plugins")
    values = list(_Values(settings).of(resolve(plugins, config).plugins))
    if as_json:
        _write({"values": [each.document() for each in values]})
        return
    grid = Grid(SETTING_COLUMNS)
    for each in values:
        style = "dim" if each.origins[0].kind == DEFAULT else "bold"
        cells = (each.name, each.text, ", ".join(map(str, each.origins)))
        grid.add(*(Text(printable(cell), style) for cell in cells))
    grid.show(console())


def check_file(file: str, *, as_json: bool = False) -> int:
    """Print all problems of a file, with their lines. Returns the exit code: 0 without problems, otherwise 2.

    The environment counts for nothing here. Raises ConfigurationError for a file that is not valid TOML.
    """
    problems = check(load_settings(file, environ={}))
    origins = Origins()
    lines = [origins.lines(each.source).of_path(each.path) for each in problems]
    if as_json:
        rows = [{**attrs.asdict(each), "line": line} for each, line in zip(problems, lines, strict=True)]
        _write({"file": file, "problems": rows})
    elif problems:
        complain(ConfigurationError.of(*map(_with_line, problems, lines)))
    else:
        sys.stdout.write(f"{printable(file)} can be used.\n")
    return UNUSABLE if problems else 0


def show_schema() -> None:
    """Print the JSON Schema of the file."""
    from .schema import schema

    _write(schema())


def _with_line(problem: Problem, line: int | None) -> Problem:
    return problem if line is None else attrs.evolve(problem, source=f"{problem.source}:{line}")


@frozen
class _Values:
    settings: Settings
    origins: Origins = field(factory=Origins)

    def of(self, plugins: Sequence[object]) -> Iterator[Value]:
        """Yield the values of the client itself, then those of each plugin."""
        names = [_name(each) for each in plugins]
        origin = self.origins.of(self.settings.plugins_source, ("plugins",))
        yield Value("plugins", shown("", names), names, (origin,))
        transport = _TRANSPORT
        if self.settings.transport is not None:
            resolve_transport(self.settings.transport)  # a name that is not installed is refused, as by a client
            transport = self.settings.transport.value
        yield Value("transport", transport, transport, self._own(self.settings.transport, "transport"))
        insecure = self.settings.insecure is not None and self.settings.insecure.value
        yield Value("insecure", shown("", insecure), insecure, self._own(self.settings.insecure, "insecure"))
        for plugin, name in zip(plugins, names, strict=True):
            yield from self._fields((name,), getattr(plugin, "config", None), self.settings.layers(name))

    def _own(self, given: Given | None, name: str) -> tuple[Origin, ...]:
        return (Origin(DEFAULT),) if given is None else (self.origins.of(given.source, (name,)),)

    def _fields(self, keys: Keys, config: Any, layers: Sequence[Given]) -> Iterator[Value]:
        """Yield the values of a configuration, those of nested ones each by itself."""
        if not attrs.has(cast("Any", type(config))):
            return
        for attribute in (each for each in attrs.fields(cast("Any", type(config))) if each.init):
            name, value = alias(attribute), getattr(config, attribute.name)
            below = [given for layer in layers if layer.is_table for key, given in layer.items() if _same(key, name)]
            here = (*keys, name)
            if attribute.repr is True and attrs.has(cast("Any", type(value))):
                yield from self._fields(here, value, below)
                continue
            sources = dict.fromkeys(given.source for given in reversed(below))
            text, plain = in_both_forms(attribute, name, value)
            origins = tuple(self.origins.of(source, here) for source in sources) or (Origin(DEFAULT),)
            yield Value(".".join(here), text, plain, origins)


def _same(key: object, name: str) -> bool:
    return str(key).replace("-", "_") == name


def _name(plugin: object) -> str:
    return str(getattr(plugin, "name", "") or type(plugin).__name__)


def _write(document: Any) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
