"""The base of all typed parts of the Messages API: they have a ``type`` and lose no field."""

from functools import cache
from typing import Annotated, Any, ClassVar, Final, cast

from msgspec import Meta, Struct

_NEVER: Final = Meta(min_length=1, max_length=0)
"""No JSON fits this: a field of that name is unknown like others."""


# Without gc: they hold JSON, which has no cycles.
class Tagged(Struct, frozen=True, kw_only=True, gc=False):
    """A JSON object of the API. Change a copy of it with `msgspec.structs.replace`."""

    type: ClassVar[str] = ""
    """The ``type`` in the JSON, empty for an object that has none."""
    extra: Annotated[dict[str, Any], _NEVER] = {}
    """The fields that this class does not know, as they came, and those that it knows and that came as null."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that this was made of. Values that are not typed are shared, not copied."""
        values = {name: _plain(getattr(self, attribute)) for attribute, name in json_names(type(self)).items()}
        tag = {"type": self.type} if self.type else {}
        return {**tag, **self.extra, **{name: value for name, value in values.items() if value is not None}}

    def __repr__(self) -> str:
        shown = ("extra", *(name for name in self.__struct_fields__ if name not in {"extra", "raw_usage"}))
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class TypedEvent(Tagged, frozen=True):
    """Base of the typed events."""


class Delta(Tagged, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """Base of what a ``content_block_delta`` brings."""


class Block(Tagged, frozen=True):
    """Base of the typed content blocks."""


@cache
def json_names(kind: type[Tagged]) -> dict[str, str]:
    """Return the attributes of `kind` that are fields of its JSON, with their names there.

    The name that a field is given is the one in the JSON, empty if it is no such field.
    """
    names = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return {attribute: name for attribute, name in names if name and attribute != "extra"}


def _plain(value: Any) -> Any:
    if isinstance(value, Tagged):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(each) for each in cast("Any", value)]
    return value
