"""JSON -> typed events, and nothing is guessed: ``"0"`` is no index, a list is no text.

msgspec decodes a delta that has what the API documents straight into its class. Everything else is read field by
field, so that what is unknown is kept and what does not fit is named with its place.
"""

from collections.abc import Callable, Iterable
from functools import cache
from types import NoneType
from typing import Any, Final, Literal, Self, cast, get_args, get_origin

from attrs import frozen
from msgspec import Struct
from msgspec.json import Decoder
from msgspec.structs import fields

from unbroken import Event, StreamError
from unbroken.error_bodies import as_object

from ._blocks import ContentBlock, RedactedThinkingBlock, TextBlock, ThinkingBlock, ToolUseBlock
from ._events import (
    CitationsDelta,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ContentDelta,
    ErrorEvent,
    InputJsonDelta,
    KnownDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from ._tagged import Tagged, TypedEvent, json_names

Read = Callable[[Any], Any]
"""Makes a value of what the JSON has in its place. Raises _UnfitError."""

UNNAMED: Final = "message"
"""What an event without a name is called (WHATWG HTML §9.2.6)."""
_EVENTS: Final[dict[str, type[TypedEvent]]] = {
    kind.type: kind
    for kind in (
        MessageStart,
        ContentBlockStart,
        ContentBlockDelta,
        ContentBlockStop,
        MessageDelta,
        MessageStop,
        Ping,
        ErrorEvent,
    )
}
_BLOCKS: Final[dict[str, type[Tagged]]] = {
    kind.type: kind for kind in (TextBlock, ThinkingBlock, RedactedThinkingBlock, ToolUseBlock)
}
_DELTAS: Final[dict[str, type[Tagged]]] = {
    kind.type: kind for kind in (TextDelta, InputJsonDelta, ThinkingDelta, SignatureDelta, CitationsDelta)
}
_JSON: Final[dict[Any, str]] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
}
_MAY_BE_DELTA: Final = frozenset({ContentBlockDelta.type, UNNAMED})


class _Piece(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A ``content_block_delta`` that has what is documented and nothing else. None of it may be null."""

    type: Literal["content_block_delta"]
    index: int
    delta: KnownDelta


_decode: Final = Decoder(_Piece).decode


Faults = tuple[tuple[str, str], ...]
"""Places, and what each should be and is."""


class _UnfitError(ValueError):
    """Says for each place what a value should be and is, never the value."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(*faults)
        self.faults: Faults = faults

    @classmethod
    def of(cls, inner: Iterable[tuple[str, Faults]]) -> Self:
        """Return the faults of several things, each with its place in the whole."""
        return cls(*((place + within, fault) for place, faults in inner for within, fault in faults))


def typed(event: Event) -> TypedEvent | Event:
    """Return `event` as an object of its class, an event of an unknown type itself.

    Raises StreamError, with the place and without the data, when that is not what such an event has.
    """
    if event.type in _MAY_BE_DELTA:
        try:
            piece = _decode(event.raw)
        except (ValueError, RecursionError):
            return _read(event)
        return ContentBlockDelta(piece.index, piece.delta)
    return _read(event)


def text_of(event: Event) -> str | None:
    """Return the text of a ``text_delta``, None for all else. Raises StreamError without JSON."""
    if event.type not in _MAY_BE_DELTA:
        return None
    try:
        known = _decode(event.raw).delta
    except (ValueError, RecursionError):
        delta = as_object(event.get("delta"))
        text = delta.get("text")
        return text if delta.get("type") == TextDelta.type and isinstance(text, str) else None
    return known.text if type(known) is TextDelta else None


def _read(event: Event) -> TypedEvent | Event:
    kind = _EVENTS.get(event.type)
    if kind is None and event.type != UNNAMED:
        return event
    value = event.json()
    if not isinstance(value, dict):
        raise _stream_error(event, f"must be {_JSON[dict]}, not {_described(value)} @ $")
    said = cast("dict[str, Any]", value).get("type")
    if not isinstance(said, str):
        raise _stream_error(event, "has no type @ $.type")
    if kind is None:
        kind = _EVENTS.get(said)
        if kind is None:
            return event
    elif said != kind.type:
        raise _stream_error(event, "has the type of another event @ $.type")
    try:
        return _object(kind)(value)
    except _UnfitError as error:
        faults = "; ".join(f"{fault} @ ${place}" for place, fault in error.faults)
        raise _stream_error(event, faults) from None


def _stream_error(event: Event, fault: str) -> StreamError:
    return StreamError(f"the data of event {event.type!r} does not fit: {fault}", request_id=event.request_id or None)


def _described(value: Any) -> str:
    return _JSON[type(value)]


@frozen
class _Field:
    """A field that a class knows."""

    attribute: str
    read: Read
    exact: Any
    """Of values of this class nothing has to be read."""
    required: bool


@cache
def _object(kind: type[Tagged]) -> Read:
    """Read the known fields of an object and keep the others in `extra`."""
    names, tag = json_names(kind), kind.type
    known = {
        names[each.name]: _Field(each.name, *_reader(each.type), each.required)
        for each in fields(kind)
        if each.name in names
    }
    required = [name for name, each in known.items() if each.required]

    def read(value: Any) -> Any:
        given = _exactly(value, dict)
        if tag and given.get("type") != tag:
            raise _UnfitError(("", f"must have the type {tag!r}"))
        values: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        faults: dict[str, Faults] = {}
        for name in required:
            if name not in given:
                faults[name] = (("", "is missing"),)
        for name, it in given.items():
            each = known.get(name)
            if each is None or it is None and not each.required:
                extra[name] = it
            elif type(it) is each.exact:
                values[each.attribute] = it
            else:
                try:
                    values[each.attribute] = each.read(it)
                except _UnfitError as error:
                    faults[name] = error.faults
        if faults:
            raise _UnfitError.of((f".{name}", faults[name]) for name in known if name in faults)
        if tag:
            del extra["type"]
        return kind(extra=extra, **values)

    return read


def _reader(kind: Any) -> tuple[Read, Any]:
    """Return how a value of the annotated `kind` is read, and the class whose values need not be."""
    if kind in _ONE_OF:
        return _one_of(_ONE_OF[kind]), None
    if NoneType in get_args(kind):  # whoever asks looks for null by itself
        (kind,) = set(get_args(kind)) - {NoneType}
    if get_origin(kind) is tuple:
        return _tuple(_reader(get_args(kind)[0])[0]), None
    if isinstance(kind, type) and issubclass(kind, Tagged):
        return _object(kind), None
    exact = get_origin(kind) or kind
    return lambda value: _exactly(value, exact), exact


_ONE_OF: Final[dict[Any, dict[str, type[Tagged]]]] = {ContentBlock: _BLOCKS, ContentDelta: _DELTAS}


def _exactly(value: Any, kind: Any) -> Any:
    if type(value) is not kind:  # True is an int
        raise _UnfitError(("", f"must be {_JSON[kind]}, not {_described(value)}"))
    return value


def _one_of(kinds: dict[str, type[Tagged]]) -> Read:
    """Read an object by its ``type``; one of an unknown type stays as it is."""

    def read(value: Any) -> Any:
        name = _exactly(value, dict).get("type")
        if not isinstance(name, str):
            raise _UnfitError(("", "has no type"))
        kind = kinds.get(name)
        return value if kind is None else _object(kind)(value)

    return read


def _tuple(item: Read) -> Read:
    def read(value: Any) -> Any:
        values: list[Any] = []
        faults: list[tuple[str, Faults]] = []
        for index, each in enumerate(_exactly(value, list)):
            try:
                values.append(item(each))
            except _UnfitError as error:
                faults.append((f"[{index}]", error.faults))
        if faults:
            raise _UnfitError.of(faults)
        return tuple(values)

    return read
