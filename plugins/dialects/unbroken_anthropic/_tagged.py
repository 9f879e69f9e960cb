"""What all typed parts of the Messages API have in common: a ``type``, and that nothing gets lost."""

from functools import cache
from typing import Any, ClassVar, cast

import attrs
from attrs import field, frozen


@frozen
class Tagged:
    """A JSON object of the API."""

    type: ClassVar[str] = ""
    """The ``type`` in the JSON, empty for an object that has none."""
    extra: dict[str, Any] = field(factory=dict[str, Any], kw_only=True)
    """The fields that this class does not know, as they came, and those that it knows and that came as null."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that this was made of. Values that are not typed are shared, not copied."""
        kind: Any = type(self)
        values = {name: _plain(getattr(self, attribute)) for attribute, name in json_names(kind).items()}
        tag = {"type": self.type} if self.type else {}
        return {**tag, **self.extra, **{name: value for name, value in values.items() if value is not None}}


class TypedEvent(Tagged):
    """Base of the typed events."""

    __slots__ = ()


class Delta(Tagged):
    """Base of what a ``content_block_delta`` brings."""

    __slots__ = ()


class Block(Tagged):
    """Base of the typed content blocks."""

    __slots__ = ()


@cache
def json_names(kind: type[Any]) -> dict[str, str]:
    """Return the attributes of `kind` that are fields of its JSON, with their names there.

    The metadata ``json`` of an attribute is that name if it is another one, None if it is no such field.
    """
    names = {each.name: each.metadata.get("json", each.name) for each in attrs.fields(kind) if each.name != "extra"}
    return {attribute: name for attribute, name in names.items() if name is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Tagged):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(each) for each in cast("Any", value)]
    return value
