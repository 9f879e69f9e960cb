"""JSON objects -> typed ones, and nothing is guessed: ``"0"`` is no index, a list is no text."""

from collections.abc import Callable, Iterable
from functools import cache
from types import NoneType
from typing import Any, Final, Self, TypeAlias, TypeVar, cast, get_args, get_origin

from attrs import frozen
from msgspec.structs import fields

from ._blocks import ContentBlock, RedactedThinkingBlock, TextBlock, ThinkingBlock, ToolUseBlock
from ._documents import NAMES, described
from ._events import CitationsDelta, ContentDelta, InputJsonDelta, SignatureDelta, TextDelta, ThinkingDelta
from ._tagged import Tagged, TypedEvent, json_names

T = TypeVar("T", bound=TypedEvent)

Read: TypeAlias = Callable[[Any], Any]
"""Makes of a value in the JSON what it is in the object. Raises UnfitError."""
Faults: TypeAlias = tuple[tuple[str, str], ...]
"""Places, each with what is wrong there."""

_BLOCKS: Final[dict[str, type[Tagged]]] = {
    kind.type: kind for kind in (TextBlock, ThinkingBlock, RedactedThinkingBlock, ToolUseBlock)
}
_DELTAS: Final[dict[str, type[Tagged]]] = {
    kind.type: kind for kind in (TextDelta, InputJsonDelta, ThinkingDelta, SignatureDelta, CitationsDelta)
}
_ONE_OF: Final[dict[Any, dict[str, type[Tagged]]]] = {ContentBlock: _BLOCKS, ContentDelta: _DELTAS}
_EMPTY: Final[dict[type[Tagged], tuple[str, Callable[[], Any]]]] = {ToolUseBlock: ("input", dict)}
"""A field that some servers leave out or send as null, and what it then is."""


class UnfitError(ValueError):
    """Says for each place what a value should be and is, never the value."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(*faults)
        self.faults: Faults = faults

    @classmethod
    def of(cls, parts: Iterable[tuple[str, Faults]]) -> Self:
        """Make the error of a whole from the faults of its parts, each with its place in the whole."""
        return cls(*((place + inner, fault) for place, faults in parts for inner, fault in faults))


@frozen
class _Field:
    """A field that a class knows."""

    attribute: str
    read: Read
    exact: Any
    """The class of which a value is taken as it is."""
    required: bool


def structured(value: dict[str, Any], kind: type[T]) -> T:
    """Return `value`, which has the ``type`` of `kind`, as an object of it. Raises UnfitError with every fault."""
    made: T = _object(kind)(value)
    return made


@cache
def _object(kind: type[Tagged]) -> Read:
    """Read the known fields of an object and keep the others in `extra`."""
    names = json_names(kind)
    known = {
        names[each.name]: _Field(each.name, *_reader(each.type), each.required)
        for each in fields(kind)
        if each.name in names
    }
    required = [name for name, each in known.items() if each.required]

    def read(given: dict[str, Any]) -> Any:
        values: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        faults: dict[str, Faults] = {}
        for name, value in given.items():
            each = known.get(name)
            if each is None or (value is None and not each.required):
                extra[name] = value
            elif type(value) is each.exact:
                values[each.attribute] = value
            else:
                try:
                    values[each.attribute] = each.read(value)
                except UnfitError as error:
                    faults[name] = error.faults
        for name in required:
            if name not in given:
                faults[name] = (("", "is missing"),)
        if faults:
            raise UnfitError.of((f".{name}", faults[name]) for name in known if name in faults)
        if kind.type:
            del extra["type"]
        return kind(extra=extra, **values)

    return read


def _reader(kind: Any) -> tuple[Read, Any]:
    """Return how a value of the annotated `kind` is read, and the class of which one is taken as it is.

    Null is looked for before.
    """
    if kind in _ONE_OF:
        return _one_of(_ONE_OF[kind]), None
    if NoneType in get_args(kind):
        (kind,) = set(get_args(kind)) - {NoneType}
    if get_origin(kind) is tuple:
        return _tuple(_reader(get_args(kind)[0])[0]), None
    if isinstance(kind, type) and issubclass(kind, Tagged):
        return _of_type(kind), None
    exact = cast("Any", get_origin(kind) or kind)
    return lambda value: _exactly(value, exact), exact


def _exactly(value: Any, kind: Any) -> Any:
    if type(value) is not kind:  # True is an int
        raise UnfitError(("", f"must be {NAMES[kind]}, not {described(value)}"))
    return value


def _of_type(kind: type[Tagged]) -> Read:
    """Read an object that must have the ``type`` of `kind`, if that has one."""

    def read(value: Any) -> Any:
        given = _exactly(value, dict)
        if kind.type and given.get("type") != kind.type:
            raise UnfitError(("", f"must have the type {kind.type!r}"))
        return _object(kind)(given)

    return read


def _one_of(kinds: dict[str, type[Tagged]]) -> Read:
    """Read an object by its ``type``; one of an unknown type stays as it is."""

    def read(value: Any) -> Any:
        name = _exactly(value, dict).get("type")
        if not isinstance(name, str):
            raise UnfitError(("", "has no type"))
        kind = kinds.get(name)
        if kind is None:
            return value
        field, empty = _EMPTY.get(kind, ("type", str))
        return _object(kind)({**value, field: empty()} if value.get(field) is None else value)

    return read


def _tuple(item: Read) -> Read:
    def read(value: Any) -> Any:
        values: list[Any] = []
        faults: list[tuple[str, Faults]] = []
        for index, each in enumerate(_exactly(value, list)):
            try:
                values.append(item(each))
            except UnfitError as error:
                faults.append((f"[{index}]", error.faults))
        if faults:
            raise UnfitError.of(faults)
        return tuple(values)

    return read
