"""A strict cattrs converter: ``"false"`` does not become True, 2.7 does not become 2, text is not a list of letters.

Its hooks raise `Refused`, which holds all faults of a value, each with its place in the value.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

import attrs

from ..validators import ITERABLES
from .refusals import (
    BUILDERS,
    BadValue,
    Refused,
    is_enum,
    is_literal,
    is_mapping,
    is_union,
    place,
    wrong,
)

if TYPE_CHECKING:
    from cattrs import Converter


def strict_converter(attrs_hook: Callable[[Any, Any], Any]) -> "Converter":
    """Return the converter. It builds attrs classes with `attrs_hook`."""
    from cattrs import Converter

    converter = Converter(
        forbid_extra_keys=True, detailed_validation=True, structure_fallback_factory=lambda _: _instance
    )
    # cattrs looks in its singledispatch by class first, so a `_func` hook would never be called for these.
    for kind in (int, float, bool, str, bytes, Path):
        converter.register_structure_hook(kind, _scalar)

    def sequence(value: Any, kind: Any) -> Any:
        return _sequence(converter, value, kind)

    def mapping(value: Any, kind: Any) -> Any:
        return _mapping(converter, value, kind)

    def union(value: Any, kind: Any) -> Any:
        return _union(converter, value, kind)

    converter.register_structure_hook_func(lambda kind: kind is type(None), _instance)
    converter.register_structure_hook_func(is_literal, _literal)
    converter.register_structure_hook_func(is_enum, _enum)
    converter.register_structure_hook_func(lambda kind: (get_origin(kind) or kind) in BUILDERS, sequence)
    converter.register_structure_hook_func(is_mapping, mapping)
    converter.register_structure_hook_func(is_union, union)
    converter.register_structure_hook_func(attrs.has, attrs_hook)
    return converter


def _scalar(value: Any, kind: Any) -> Any:
    if is_enum(kind):  # the dispatch treats an IntEnum as an int
        return _enum(value, kind)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if isinstance(value, bool) and kind is not bool:
        raise wrong(kind, value)
    if kind is float and isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            raise wrong(kind, value) from None
    return _instance(value, kind)


def _instance(value: Any, kind: Any) -> Any:
    origin = get_origin(kind) or kind
    if origin is Callable:
        good = callable(value)
    else:
        try:
            good = isinstance(value, origin)
        except TypeError:  # a protocol that cannot be checked: refuse plain data, which has no methods
            good = value is not None and not isinstance(value, (bool, int, float, str, Mapping, *ITERABLES))
    if not good:
        raise wrong(kind, value)
    return cast("Any", value)


def _literal(value: Any, kind: Any) -> Any:
    return _choice(value, kind, [(choice, choice) for choice in get_args(kind)])


def _enum(value: Any, kind: Any) -> Any:
    if isinstance(value, kind):
        return value
    return _choice(value, kind, [(member, member.value) for member in kind])


def _choice(value: Any, kind: Any, choices: Iterable[tuple[Any, Any]]) -> Any:
    for choice, said in choices:
        if type(value) is type(said) and value == said:  # True == 1
            return choice
    raise wrong(kind, value)


def _sequence(converter: "Converter", value: Any, kind: Any) -> Any:
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if not isinstance(value, ITERABLES):
        raise wrong(kind, value)
    items = list(cast("Iterable[Any]", value))
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(items) != len(arguments):
            raise Refused(BadValue("", f"must be a list of {len(arguments)}, not of {len(items)}"))
        kinds = list(arguments)
    else:
        kinds = [arguments[0] if arguments else Any] * len(items)
    places = [f"[{index}]" for index in range(len(items))]
    try:
        return BUILDERS[origin](_each(converter, zip(places, items, kinds, strict=True)))
    except TypeError:  # a set of tables
        raise Refused(BadValue("", "holds something that cannot be in a set")) from None


def _mapping(converter: "Converter", value: Any, kind: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise wrong(kind, value)
    table: Mapping[Any, Any] = cast("Any", value)
    key_kind, value_kind = get_args(kind) or (Any, Any)
    places = [place(key) for key in table]
    keys = _each(converter, [(where, key, key_kind) for where, key in zip(places, table, strict=True)])
    values = _each(converter, [(where, item, value_kind) for where, item in zip(places, table.values(), strict=True)])
    return dict(zip(keys, values, strict=True))


def _each(converter: "Converter", parts: Iterable[tuple[str, Any, Any]]) -> list[Any]:
    """Structure each (place, value, type). Raises all faults together."""
    results: list[Any] = []
    faults: list[BadValue] = []
    for where, value, kind in parts:
        try:
            results.append(converter.structure(value, kind))
        except Refused as refused:
            faults += [fault.below(where) for fault in refused.faults]
    if faults:
        raise Refused(*faults)
    return results


def _union(converter: "Converter", value: Any, kind: Any) -> Any:
    """Return the value structured by the first arm that accepts it. The value's own type is tried first.

    So 2 stays an int in ``float | int``.
    """
    arms = get_args(kind)
    inner: tuple[BadValue, ...] = ()
    for arm in sorted(arms, key=lambda arm: type(value) is not arm):
        try:
            return converter.structure(value, arm)
        except Refused as refused:
            inner = inner or tuple(fault for fault in refused.faults if fault.path)
    if type(None) in arms and value == "none":  # TOML has no null
        return None
    raise Refused(*inner) if inner else wrong(kind, value)
