"""JSON objects -> typed ones, and nothing is guessed: ``"0"`` is no index, a list is no text."""

from collections.abc import Callable
from functools import cache
from types import NoneType
from typing import Any, Final, TypeAlias, cast, get_args, get_origin

from attrs import frozen
from msgspec import ValidationError, convert
from msgspec.structs import fields, force_setattr

from ._choices import as_list
from ._typed_base import Typed, names_of

Faults: TypeAlias = list[tuple[str, str]]
"""Places, each with what is wrong there, never the value."""
Read: TypeAlias = Callable[[Any, str, Faults], Any]
"""Makes of a value in the JSON what it is in the object; adds what does not fit, with its place, to the faults."""

NAMES: Final[dict[Any, str]] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
}
"""What the classes of decoded JSON are called in JSON."""


@frozen
class _Field:
    """A field that a class knows."""

    name: str
    exact: frozenset[Any]
    """The classes of which a value is taken as it is."""
    read: Read
    required: bool
    is_typed: bool
    """Whether a value is an object of such a class, or a list of them."""


def structured(value: dict[str, Any], kind: type[Typed], faults: Faults) -> Any:
    """Return `value` as an object of `kind`, None with one more fault or several if it does not fit."""
    try:
        made = convert(value, kind)
    except ValidationError:  # it tells only the first fault, and takes a field with the name of `extra` for that
        return _read(value, kind, "$", faults)
    _keep(made, value)
    return made


def _keep(made: Typed, value: dict[str, Any]) -> None:
    """Put into `made`, and all that is in it, the fields of `value` that the classes do not know."""
    known, typed = _names(made.__class__)
    extra: dict[str, Any] | None = None
    for name, each in value.items():
        if each is None or name not in known:
            if extra is None:
                extra = {}
                force_setattr(made, "extra", extra)
            extra[name] = each
    for name in typed:
        inner = getattr(made, name)
        if inner.__class__ is tuple:
            given = value[name]
            for at, each in enumerate(inner):
                _keep(each, given[at])
        elif inner is not None:
            _keep(inner, value[name])


@cache
def _names(kind: type[Typed]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the fields of a class, and those of them whose values are objects of such classes or tuples of them."""
    known = _fields(kind)
    return frozenset(known), tuple(name for name, each in known.items() if each.is_typed)


def _read(value: dict[str, Any], kind: type[Typed], place: str, faults: Faults) -> Any:
    """Return `value` as an object of `kind`, None with one more fault or several if it does not fit."""
    found, known = len(faults), _fields(kind)
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, each in value.items():
        field = known.get(name)
        if field is None or (each is None and not field.required):
            extra[name] = each
        elif type(each) in field.exact:
            values[name] = each
        else:
            values[name] = field.read(each, f"{place}.{name}", faults)
    faults += [
        (f"{place}.{field.name}", "is missing")
        for field in known.values()
        if field.required and field.name not in value
    ]
    return kind(extra=extra, **values) if len(faults) == found else None


@cache
def _fields(kind: type[Typed]) -> dict[str, _Field]:
    names = names_of(kind)
    return {each.name: _field(each.name, each.type, each.required) for each in fields(kind) if each.name in names}


def _field(name: str, kind: Any, required: bool) -> _Field:
    kinds = [each for each in get_args(kind) if each is not NoneType] if NoneType in get_args(kind) else [kind]
    for each in kinds:
        if get_origin(each) is tuple:
            item = _field("", get_args(each)[0], required=True)
            return _Field(name, frozenset(), _listed(item), required, item.is_typed)
        if isinstance(each, type) and issubclass(each, Typed):
            return _Field(name, frozenset(), _object(each), required, is_typed=True)
    exact = [get_origin(each) or each for each in kinds]
    return _Field(name, frozenset(exact), _refused(exact), required, is_typed=False)


def _refused(exact: list[Any]) -> Read:
    expected = " or ".join(NAMES[each] for each in exact)

    def read(value: Any, place: str, faults: Faults) -> None:
        faults.append((place, f"must be {expected}, not {NAMES[type(value)]}"))

    return read


def _object(kind: type[Typed]) -> Read:
    refuse = _refused([dict])

    def read(value: Any, place: str, faults: Faults) -> Any:
        if not isinstance(value, dict):
            return refuse(value, place, faults)
        return _read(cast("dict[str, Any]", value), kind, place, faults)

    return read


def _listed(each: _Field) -> Read:
    refuse = _refused([list])

    def read(value: Any, place: str, faults: Faults) -> Any:
        if not isinstance(value, list):
            return refuse(value, place, faults)
        items = enumerate(as_list(value))
        return tuple(it if type(it) in each.exact else each.read(it, f"{place}[{at}]", faults) for at, it in items)

    return read
