"""The base of the typed events and their parts: they lose no field."""

from functools import cache
from typing import Annotated, Any, ClassVar, Final, cast

from msgspec import Meta, Struct

_NEVER: Final = Meta(min_length=1, max_length=0)
"""No JSON fits this: a field of that name is unknown like others."""


# Without gc: they hold JSON, which has no cycles.
class Typed(Struct, frozen=True, kw_only=True, gc=False):
    """A JSON object of the API. Change a copy of it with `msgspec.structs.replace`."""

    extra: Annotated[dict[str, Any], _NEVER] = {}
    """The fields that this class does not know, as they came, and those that it knows and that came as null."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that this was made of. Values that are not typed are shared, not copied."""
        values = {name: _plain(getattr(self, name)) for name in names_of(type(self))}
        return {**self.extra, **{name: value for name, value in values.items() if value is not None}}


class TypedEvent(Typed, frozen=True, kw_only=True):
    """Base of the typed events."""


class ResponseEvent(TypedEvent, frozen=True, kw_only=True):
    """Base of the events of the Responses API."""

    type: ClassVar[str] = ""
    """The name of the event, and the ``type`` in its JSON."""
    sequence_number: int | None = None
    """The number of the event in its stream."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that this was made of. Values that are not typed are shared, not copied."""
        return {"type": self.type, **super().to_dict()}


@cache
def names_of(kind: type[Typed]) -> tuple[str, ...]:
    """Return the names of the fields that `kind` knows."""
    return tuple(name for name in kind.__struct_fields__ if name != "extra")


def _plain(value: Any) -> Any:
    if isinstance(value, Typed):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(each) for each in cast("Any", value)]
    return value
