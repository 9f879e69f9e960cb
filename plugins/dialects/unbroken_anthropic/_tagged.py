"""The base of all typed parts of the Messages API: they have a ``type`` and lose no field."""

from functools import cache
from typing import Any, ClassVar, cast

import attrs
from attrs import field, frozen


@frozen
class Tagged:
    """A typed JSON object of the API."""

    type: ClassVar[str] = ""
    """The ``type`` in the JSON, empty for objects that have none."""
    extra: dict[str, Any] = field(factory=dict[str, Any], kw_only=True)
    """The fields that this class does not know, as received, and those that it knows but that were null."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that this was made from. Untyped values are shared, not copied."""
        kind: Any = type(self)
        values = {name: _plain(getattr(self, attribute)) for attribute, name in json_names(kind).items()}
        tag = {"type": self.type} if self.type else {}
        return {**tag, **self.extra, **{name: value for name, value in values.items() if value is not None}}


class TypedEvent(Tagged):
    """The base class of the typed events."""

    __slots__ = ()


class Delta(Tagged):
    """The base class of the typed deltas in a ``content_block_delta``."""

    __slots__ = ()


class Block(Tagged):
    """The base class of the typed content blocks."""

    __slots__ = ()


@cache
def json_names(kind: type[Any]) -> dict[str, str]:
    """Return the JSON name of each attribute of `kind` that is a field of its JSON.

    The metadata ``json`` of an attribute is its JSON name where that differs, or None if it is not a field.
    """
    names = {each.name: each.metadata.get("json", each.name) for each in attrs.fields(kind) if each.name != "extra"}
    return {attribute: name for attribute, name in names.items() if name is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Tagged):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(each) for each in cast("Any", value)]
    return value
