"""`unbroken config --schema`: a JSON Schema (2020-12) of ``unbroken.toml`` for all that is installed here."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, cast, get_args, get_origin

import attrs

from unbroken import ConfigurationError
from unbroken.registry import DIALECTS, PLUGINS, TRANSPORTS, Discovered, discover
from unbroken.validators import Number, OneOf, Optional

from ._fields import HIDDEN, alias, settings_of
from ._values import plain

Schema = dict[str, Any]

_SCALARS: Final[Mapping[Any, Schema]] = {
    Any: {},
    type(None): {"const": "none"},  # TOML has no null
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Path: {"type": "string"},
}
_SEQUENCES: Final = (list, set, frozenset, tuple, Set, Sequence, Collection, Iterable)
_CHOICE: Final = {
    "type": "string",
    "pattern": ":",
    "description": "The plugin that the name means here: distribution:name.",
}


def schema() -> Schema:
    """Return the schema. It describes ``unbroken.toml`` and, the same, ``[tool.unbroken]`` of a pyproject.toml.

    Imports every installed plugin; the table of one that cannot be imported may hold anything.
    """
    found = discover(PLUGINS)
    names = list(dict.fromkeys(each.name for each in found))
    tables = {name: _table(name, [each for each in found if each.name == name]) for name in names}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "unbroken.toml",
        "description": "The settings of Unbroken: unbroken.toml, or [tool.unbroken] in pyproject.toml.",
        "type": "object",
        "properties": {
            "plugins": {
                "description": "The plugins, outermost first; -name removes one from the default list.",
                "type": "array",
                "items": _named([*names, *(f"-{name}" for name in names)]),
            },
            "transport": {"description": "The transport.", **_named(_names(TRANSPORTS))},
            "insecure": {
                "description": "Whether credentials may be sent over http:// to other machines.",
                "type": "boolean",
                "default": False,
            },
            **tables,
        },
        "patternProperties": {_spellings(name): table for name, table in tables.items() if _words(name) > 1},
        "additionalProperties": False,
        "$defs": {"dialect": {"description": "The name of a dialect.", **_named(_names(DIALECTS))}},
    }


def _names(group: str) -> list[str]:
    return list(dict.fromkeys(each.name for each in discover(group)))


def _named(names: list[str]) -> Schema:
    """Return the schema of a name, or of ``distribution:name``."""
    return {"anyOf": [{"enum": names}, {"type": "string", "pattern": ".:."}]}


def _table(name: str, offers: Sequence[Discovered]) -> Schema:
    """Return the schema of a plugin's table. If several distributions offer the name, it may be that of any."""
    tables = [_plugin(name, each) for each in offers]
    return tables[0] if len(tables) == 1 else {"anyOf": tables}


def _plugin(name: str, entry: Discovered) -> Schema:
    try:
        loaded = entry.load(name)
    except (ConfigurationError, SystemExit):  # importing a module may even exit
        return {"type": "object", "description": f"{entry.value} cannot be imported."}
    table = _settings(getattr(loaded, "Config", None))
    table["properties"] = {**table["properties"], "use": _CHOICE}
    summary = " ".join((getattr(loaded, "__doc__", None) or "").strip().split("\n\n")[0].split())
    return {"description": summary, **table} if summary else table


def _settings(config_class: Any) -> Schema:
    """Return the schema of the table that an attrs class is built from."""
    made: Schema = {"type": "object", "properties": {}, "patternProperties": {}, "additionalProperties": False}
    if not attrs.has(config_class):
        return made
    attrs.resolve_types(config_class)
    docs = {each.name: each.doc for each in settings_of(config_class)}
    fields = [each for each in attrs.fields(config_class) if each.init]
    for each in fields:
        name = alias(each)
        value = _field(each, docs.get(name, ""))
        if value is not None:
            made["properties"][name] = value
            if _words(name) > 1:
                made["patternProperties"][_spellings(name)] = value
    # A name of several words has several spellings, of which JSON Schema cannot require one.
    required = [alias(each) for each in fields if each.default is attrs.NOTHING and _words(alias(each)) == 1]
    return {**made, "required": required} if required else made


def _field(attribute: "attrs.Attribute[Any]", doc: str) -> Schema | None:
    """Return the schema of a setting; None for one that only Python can give."""
    value = _kind(Any if attribute.type is None else attribute.type)
    if value is None:
        return None
    described = {"description": doc} if doc else {}
    return {**described, **_bounds(attribute.validator), **value, **_default(attribute)}


def _default(attribute: "attrs.Attribute[Any]") -> Schema:
    default: Any = attribute.default
    if default is attrs.NOTHING or attribute.repr is not True:
        return {}
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        if default.takes_self:
            return {}
        default = default.factory()
    value = plain(alias(attribute), default)
    return {} if value == HIDDEN else {"default": "none" if value is None else value}


def _bounds(validator: Any) -> Schema:
    while isinstance(validator, Optional):
        validator = validator.inner
    if isinstance(validator, OneOf):
        return {"examples": list(validator.choices)}  # not an enum: a converter may accept other spellings
    if not isinstance(validator, Number):
        return {}
    limits = {"exclusiveMinimum": validator.above, "minimum": validator.at_least, "maximum": validator.at_most}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _kind(kind: Any) -> Schema | None:
    """Return the schema of a type as the strict conversion reads it; None for what only Python can give."""
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in _SCALARS:
        return dict(_SCALARS[origin])
    if origin in (Union, UnionType):
        arms = [arm for arm in map(_kind, arguments) if arm is not None]
        return {"anyOf": arms} if arms else None
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is Callable or not isinstance(origin, type):
        return None
    if attrs.has(cast("Any", origin)):
        return _settings(origin)
    return _collection(origin, arguments)


def _collection(origin: type[Any], arguments: tuple[Any, ...]) -> Schema | None:
    if issubclass(origin, Enum):
        return {"enum": [member.value for member in origin]}
    if origin in _SEQUENCES:
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            items = [_kind(each) or {} for each in arguments]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        return {"type": "array", "items": (_kind(arguments[0]) if arguments else None) or {}}
    if issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": (_kind(arguments[1]) if arguments else None) or {}}
    return None


def _words(name: str) -> int:
    return name.replace("-", "_").count("_") + 1


def _spellings(name: str) -> str:
    """Return the pattern of a name in each of its spellings, with ``-`` or ``_`` between its words."""
    return "^" + "[-_]".join(map(re.escape, name.replace("-", "_").split("_"))) + "$"
