"""Builds one object of an attrs class from the values of several sources, or raises all problems at once."""

import types
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

import attrs
from attrs import field, frozen

from ..errors import ConfigurationError, Problem
from ..secrets import is_secret_name
from ..validators import nearest, shown
from .refusals import HIDDEN, BadValue, Refused, joined, place, wrong
from .strict import strict_converter

if TYPE_CHECKING:
    from cattrs import Converter

ARGUMENTS: Final = "arguments"
DEFAULTS: Final = "defaults"

_REFUSALS = (ConfigurationError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError)
"""The exceptions with which a validator may refuse a value."""


@frozen
class Given:
    """A value or a table of values from one source. In a sequence, later ones take precedence."""

    value: Any = field(repr=False)
    source: str = ARGUMENTS
    """The source: a file, an environment variable, ``arguments``."""
    text: str | None = field(default=None, repr=False)
    """The text of an environment variable before it was parsed as TOML."""
    path: tuple[str, ...] = ()
    """The keys below this place under which the value belongs, such as ``("budget", "ratio")``."""

    @property
    def is_table(self) -> bool:
        return bool(self.path) or isinstance(self.value, Mapping)

    def items(self) -> list[tuple[Any, "Given"]]:
        """Return the entries of a table."""
        if self.path:
            return [(self.path[0], attrs.evolve(self, path=self.path[1:]))]
        return [(key, attrs.evolve(self, value=value, text=None)) for key, value in self.value.items()]

    def whole(self) -> Any:
        """Return the value inside the tables that `path` names."""
        value = self.value
        for name in reversed(self.path):
            value = {name: value}
        return value


def structure(config_class: type[Any], layers: Sequence[Given], name: str) -> Any:
    """Return a `config_class` built from `layers`, in ascending order of precedence. Tables are merged key by key.

    Raises ConfigurationError with all problems; their paths begin with `name`.
    """
    try:
        return _value(config_class, layers) if layers else _build(config_class, ())
    except Refused as refused:
        source = layers[-1].source if layers else DEFAULTS
        raise ConfigurationError.of(*(_problem(name, fault, source) for fault in refused.faults)) from None


def _problem(name: str, fault: BadValue, source: str) -> Problem:
    message = fault.hidden if is_secret_name(fault.path) else fault.message
    return Problem(joined(name, fault.path), message, fault.source or source)


@cache
def _converter() -> "Converter":
    def attrs_hook(value: Any, kind: Any) -> Any:
        return _build(kind, [Given(value, "")]) if isinstance(value, Mapping) else _own(value, kind)

    return strict_converter(attrs_hook)


def _own(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise wrong(kind, value)
    return value


def _value(kind: Any, stack: Sequence[Given]) -> Any:
    """Structure one value. A table is merged with the tables of lower precedence; any other value replaces them."""
    tables: list[Given] = []
    for given in reversed(stack):
        if not given.is_table:
            break
        tables.insert(0, given)
    arms = get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)
    inner = [arm for arm in arms if attrs.has(arm)]
    if tables and len(inner) == 1:
        return _build(inner[0], tables)
    if not tables:
        return _leaf(kind, stack[-1].value, stack[-1].text)
    return _leaf(kind, {key: value for given in tables for key, value in given.whole().items()}, None)


def _leaf(kind: Any, value: Any, text: str | None) -> Any:
    structured = _converter().structure
    try:
        return structured(value, kind)
    except Refused as refused:
        if text is not None:  # ``5`` was given for a text field
            try:
                return structured(text, kind)
            except Refused:
                pass
        raise refused from None
    except Exception as error:  # noqa: BLE001  cattrs raises a class of its own for each kind of failure
        raise Refused(BadValue("", f"cannot be read ({type(error).__name__})")) from None


def _build(kind: Any, tables: Sequence[Given]) -> Any:
    attrs.resolve_types(kind)
    attributes = {attribute.alias: attribute for attribute in attrs.fields(kind) if attribute.init}
    stacks, faults = _by_field(attributes, tables)
    values: dict[str, Any] = {}
    for name, stack in stacks.items():
        attribute = attributes[name]
        try:
            values[name] = _value(Any if attribute.type is None else attribute.type, stack)
            _validate(attribute, values[name])
        except Refused as refused:
            own = refused.faults if attribute.repr else [_hidden(fault) for fault in refused.faults]
            faults += [fault.below(name, stack[-1].source) for fault in own]
    last = tables[-1].source if tables else DEFAULTS
    for name, attribute in attributes.items():
        if attribute.default is attrs.NOTHING and name not in stacks:
            faults.append(BadValue(name, "is required", "is required", last))
    if faults:
        raise Refused(*faults)
    return _made(kind, values, {name: stack[-1].source for name, stack in stacks.items()}, last)


def _hidden(fault: BadValue) -> BadValue:
    """Return `fault` for a field that is in no repr, because its value may be a secret whatever its name is."""
    return attrs.evolve(fault, message=fault.hidden)


def _by_field(attributes: Mapping[str, Any], tables: Sequence[Given]) -> tuple[dict[str, list[Given]], list[BadValue]]:
    stacks: dict[str, list[Given]] = {}
    faults: list[BadValue] = []
    for table in tables:
        names: set[str] = set()
        for key, given in table.items():
            name = place(key).replace("-", "_")
            if name not in attributes:
                message = f"is not one of its settings{nearest(name, attributes)}"
                faults.append(BadValue(name, message, message, given.source))
            elif name in names:
                faults.append(BadValue(name, "is given twice", "is given twice", given.source))
            else:
                names.add(name)
                stacks.setdefault(name, []).append(given)
    return stacks, faults


def _validate(attribute: Any, value: Any) -> None:
    """Run the validator of one field before the class is built, which would stop at the first refusal."""
    if attribute.validator is None or isinstance(attribute.converter, attrs.Converter):
        return
    try:
        attribute.validator(None, attribute, attribute.converter(value) if attribute.converter else value)
    except AttributeError:  # it uses other fields, so it can only run when the class is built
        pass
    except _REFUSALS as error:
        faults = _faults(error, {attribute.name: value})
        raise Refused(
            *(attrs.evolve(fault, path=fault.path.removeprefix(attribute.name)) for fault in faults)
        ) from None


def _made(kind: Any, values: dict[str, Any], sources: Mapping[str, str], last: str) -> Any:
    try:
        return kind(**values)
    except _REFUSALS as error:
        faults = _faults(error, values)
        blamed = (sources.get(fault.path.split(".")[0], last) for fault in faults)
        raise Refused(
            *(attrs.evolve(fault, source=source) for fault, source in zip(faults, blamed, strict=True))
        ) from None


def _faults(error: Exception, values: Mapping[str, Any]) -> list[BadValue]:
    """Return the faults in what a validator raised. No message quotes a secret; the hidden form quotes no value."""
    told = error.problems if isinstance(error, ConfigurationError) else ()
    secrets = [value for name, value in values.items() if is_secret_name(name)]
    faults: list[BadValue] = []
    for problem in told or (Problem("", str(error) or type(error).__name__),):
        name = problem.path.split(".")[0]
        own = [values[name]] if name in values else list(values.values())
        faults.append(BadValue(problem.path, _without(problem.message, secrets), _without(problem.message, own)))
    return faults


def _without(message: str, values: Iterable[Any]) -> str:
    # A number can be cut out of a message. Text can be quoted in any form, so then the whole message is replaced.
    for value in values:
        if isinstance(value, str | bytes | Mapping | Sequence | Set):
            return HIDDEN
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = shown(value)
            message = (
                f"{message.removesuffix(number)}what was given"
                if message.endswith(number)
                else message.replace(number, "…")
            )
    return message
