"""JSON -> typed events, and nothing is guessed: ``"0"`` is no index, a list is no text.

msgspec decodes a delta that has what the API documents straight into its class. Everything else is read field by
field, so that what is unknown is kept and what does not fit is named with its place.
"""

from collections.abc import Callable, Iterator
from functools import cache
from types import NoneType
from typing import Any, Final, Literal, cast, get_args, get_origin

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


class _UnfitError(ValueError):
    """Says for each place what a value should be and is, never the value."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(*faults)
        self.faults = faults

    def within(self, place: str) -> Iterator[tuple[str, str]]:
        return ((place + inner, fault) for inner, fault in self.faults)


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
        faults = "; ".join(f"{fault} @ {place}" for place, fault in error.within("$"))
        raise _stream_error(event, faults) from None


def _stream_error(event: Event, fault: str) -> StreamError:
    return StreamError(f"the data of event {event.type!r} does not fit: {fault}", request_id=event.request_id or None)


def _described(value: Any) -> str:
    return _JSON[type(value)]


@cache
def _object(kind: type[Tagged]) -> Read:
    """Read the known fields of an object and keep the others in `extra`."""
    names = json_names(kind)
    known = frozenset(names.values()) | ({"type"} if kind.type else set[str]())
    readers = [
        (each.name, names[each.name], _reader(each.type), each.required) for each in fields(kind) if each.name in names
    ]

    def read(value: Any) -> Any:
        given = _exactly(value, dict)
        if kind.type and given.get("type") != kind.type:
            raise _UnfitError(("", f"must have the type {kind.type!r}"))
        values: dict[str, Any] = {}
        faults: list[tuple[str, str]] = []
        for attribute, name, reader, required in readers:
            if name in given:
                try:
                    values[attribute] = reader(given[name])
                except _UnfitError as error:
                    faults += error.within(f".{name}")
            elif required:
                faults.append((f".{name}", "is missing"))
        if faults:
            raise _UnfitError(*faults)
        extra = {name: it for name, it in given.items() if it is None or name not in known}
        return kind(extra=extra, **values)

    return read


def _reader(kind: Any) -> Read:
    """Return how a value of the annotated `kind` is read."""
    if kind in _ONE_OF:
        return _one_of(_ONE_OF[kind])
    if NoneType in get_args(kind):
        (inner,) = set(get_args(kind)) - {NoneType}
        some = _reader(inner)
        return lambda value: None if value is None else some(value)
    if get_origin(kind) is tuple:
        return _tuple(_reader(get_args(kind)[0]))
    if isinstance(kind, type) and issubclass(kind, Tagged):
        return _object(kind)
    exact = get_origin(kind) or kind
    return lambda value: _exactly(value, exact)


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
        faults: list[tuple[str, str]] = []
        for index, each in enumerate(_exactly(value, list)):
            try:
                values.append(item(each))
            except _UnfitError as error:
                faults += error.within(f"[{index}]")
        if faults:
            raise _UnfitError(*faults)
        return tuple(values)

    return read
