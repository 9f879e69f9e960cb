"""What the bytes of an event are as objects, and the text that they have.

msgspec decodes a delta that has what the API documents straight into its class. Everything else, and whatever does
not fit, is read from its JSON.
"""

from typing import Any, Final, Literal, cast

from msgspec import Struct
from msgspec.json import Decoder

from unbroken import Event, StreamError
from unbroken.error_bodies import as_object

from ._events import (
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ErrorEvent,
    KnownDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    TextDelta,
)
from ._structure import UnfitError, described, structured
from ._tagged import TypedEvent

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
_MAY_BE_DELTA: Final = frozenset({ContentBlockDelta.type, UNNAMED})


class _Piece(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A ``content_block_delta`` that has what is documented and nothing else. None of it may be null."""

    type: Literal["content_block_delta"]
    index: int
    delta: KnownDelta


_decode: Final = Decoder(_Piece).decode


def typed(event: Event) -> TypedEvent | Event:
    """Return `event` as an object of its class, an event of an unknown type itself.

    Raises StreamError, with the place and without the data, when that is not what such an event has.
    """
    if event.type in _MAY_BE_DELTA:
        try:
            piece = _decode(event.raw)
        except (ValueError, RecursionError):
            return _typed_by_data(event)
        return ContentBlockDelta(piece.index, piece.delta)
    return _typed_by_data(event)


def text_of(event: Event) -> str | None:
    """Return the text of a ``text_delta``, None for all else. Raises StreamError if that is not JSON."""
    if event.type not in _MAY_BE_DELTA:
        return None
    try:
        delta = _decode(event.raw).delta
    except (ValueError, RecursionError):
        return _text_by_data(event)
    return delta.text if isinstance(delta, TextDelta) else None


def _text_by_data(event: Event) -> str | None:
    delta = as_object(event.get("delta"))
    text = delta.get("text")
    return text if delta.get("type") == TextDelta.type and isinstance(text, str) else None


def _typed_by_data(event: Event) -> TypedEvent | Event:
    kind = _EVENTS.get(event.type)
    if kind is None and event.type != UNNAMED:
        return event
    value: Any = event.json()
    if not isinstance(value, dict):
        raise _stream_error(event, f"must be an object, not {described(value)} @ $")
    document = cast("dict[str, Any]", value)
    said = document.get("type")
    if not isinstance(said, str):
        raise _stream_error(event, "has no type @ $.type")
    if kind is None:
        kind = _EVENTS.get(said)
        if kind is None:
            return event
    elif said != kind.type:
        raise _stream_error(event, "has the type of another event @ $.type")
    try:
        return structured(document, kind)
    except UnfitError as error:
        faults = "; ".join(f"{fault} @ ${place}" for place, fault in error.faults)
        raise _stream_error(event, faults) from None


def _stream_error(event: Event, fault: str) -> StreamError:
    return StreamError(f"the data of event {event.type!r} does not fit: {fault}", request_id=event.request_id or None)
