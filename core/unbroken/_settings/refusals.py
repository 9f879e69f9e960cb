"""What can be wrong with a value, and messages about it that reveal no secrets."""

import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

import attrs
from attrs import frozen

from ..validators import shown

HIDDEN: Final = "is not acceptable (the value is not shown)"
_WORDS: dict[Any, str] = {
    Any: "anything",
    type(None): "none",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}
BUILDERS: dict[Any, Callable[[Iterable[Any]], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    tuple: tuple,
    Set: frozenset,
    Sequence: tuple,
    Collection: tuple,
    Iterable: tuple,
}


@frozen
class BadValue:
    """A fault of a value. `path` is its place, relative to the value."""

    path: str
    message: str
    hidden: str = HIDDEN
    """The same message without the value."""
    source: str | None = None

    def below(self, place: str, source: str | None = None) -> "BadValue":
        """Return the fault relative to the object that holds the value at `place`. A known source is kept."""
        return attrs.evolve(self, path=joined(place, self.path), source=self.source or source)


class Refused(Exception):
    """A value is not acceptable."""

    def __init__(self, *faults: BadValue) -> None:
        super().__init__()
        self.faults = faults


def joined(place: str, path: str) -> str:
    """Return the path of `path` below `place`: ``retry.jitter``, ``statuses[2]``."""
    return f"{place}{path}" if not path or path.startswith("[") else f"{place}.{path}"


def place(key: object) -> str:
    """Return a key as it is written in a path: as it is, or quoted if it is not a plain word."""
    return key if isinstance(key, str) and key.replace("-", "_").isidentifier() else shown(key)


def wrong(kind: Any, value: Any) -> Refused:
    """Return the exception for a `value` that is not a `kind`."""
    wanted = wording(kind)
    return Refused(BadValue("", f"must be {wanted}, not {shown(value)}", f"must be {wanted} (the value is not shown)"))


def wording(kind: Any) -> str:
    """Return in words what a type accepts, such as ``a whole number``."""
    origin = get_origin(kind) or kind
    if kind in _WORDS:
        return _WORDS[kind]
    if is_union(kind):
        return " or ".join(dict.fromkeys(map(wording, get_args(kind))))
    if is_literal(kind):
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    if is_enum(kind):
        return f"one of {', '.join(repr(member.value) for member in kind)}"
    if origin in BUILDERS:
        return "a list"
    if is_mapping(kind) or attrs.has(kind):
        return "a table"
    what = "a callable" if origin is Callable else f"an instance of {getattr(kind, '__name__', kind)}"
    return f"{what} (which only Python can give)"


def is_union(kind: Any) -> bool:
    return get_origin(kind) in {Union, types.UnionType}


def is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def is_mapping(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Mapping)
