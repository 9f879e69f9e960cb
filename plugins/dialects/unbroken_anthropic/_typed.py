"""What the bytes of an event are as objects, and the text that they have.

msgspec decodes a delta that has what the API documents straight into its class. Everything else, and whatever does
not fit, is read from its JSON.
"""

from typing import Any, Final, Literal, cast, get_args

from msgspec import Struct
from msgspec.json import Decoder

from unbroken import Event, StreamError
from unbroken.error_bodies import as_object

from ._documents import UNNAMED, data_of, described, text_in, unfit
from ._events import (
    AnthropicEvent,
    ContentBlockDelta,
    ContentBlockStart,
    KnownDelta,
    KnownEvent,
    MessageStart,
    MessageStop,
    Ping,
    TextDelta,
)
from ._structure import UnfitError, structured

_EVENTS: Final[dict[str, type[KnownEvent]]] = {kind.type: kind for kind in get_args(KnownEvent)}
_MAY_BE_DELTA: Final = frozenset({ContentBlockDelta.type, UNNAMED})
_STARTS: Final = frozenset({MessageStart.type, ContentBlockStart.type})
_SAID_BY_NAME: Final[dict[str, type[Ping | MessageStop]]] = {kind.type: kind for kind in (Ping, MessageStop)}
"""Under the names of these the data does not matter."""


class _Piece(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A ``content_block_delta`` that has what is documented and nothing else. None of it may be null."""

    type: Literal["content_block_delta"]
    index: int
    delta: KnownDelta


decode_delta: Final = Decoder(_Piece).decode


def typed(event: Event) -> AnthropicEvent:
    """Return `event` as an object of its class, a keep-alive and an event of an unknown type itself.

    Raises StreamError, with the place and without the data, when that is not what such an event has.
    """
    if event.type in _MAY_BE_DELTA:
        try:
            piece = decode_delta(event.raw)
        except (ValueError, RecursionError):
            return _typed_by_data(event)
        return ContentBlockDelta(piece.index, piece.delta)
    return _typed_by_data(event)


def is_keepalive(event: Event) -> bool:
    """Return whether `event`, which is not typed, says nothing, not even an unknown type."""
    if event.type != UNNAMED:
        return event.type in _EVENTS
    return not isinstance(as_object(data_of(event)).get("type"), str)


def text_of(event: Event) -> str | None:
    """Return the text of a ``text_delta`` and of the blocks that a start brings, None for all else.

    Raises StreamError if that is not JSON.
    """
    if event.type in _MAY_BE_DELTA:
        try:
            delta = decode_delta(event.raw).delta
        except (ValueError, RecursionError):
            return text_in(event)
        return delta.text if isinstance(delta, TextDelta) else None
    return text_in(event) if event.type in _STARTS else None


def _typed_by_data(event: Event) -> AnthropicEvent:
    said_by_name = _SAID_BY_NAME.get(event.type)
    if said_by_name is not None:
        return said_by_name(extra=_extra(event))
    kind = _EVENTS.get(event.type)
    if kind is None and event.type != UNNAMED:
        return event
    value = data_of(event)
    if value is None:
        return event
    if not isinstance(value, dict):
        raise unfit(event, f"must be an object, not {described(value)} @ $")
    document = cast("dict[str, Any]", value)
    said = document.get("type")
    if kind is None:
        kind = _EVENTS.get(said) if isinstance(said, str) else None
        if kind is None and (said is not None or "delta" not in document):
            return event
    if kind is None or not isinstance(said, str):
        raise unfit(event, "has no type @ $.type")
    if said != kind.type:
        raise unfit(event, "has the type of another event @ $.type")
    try:
        return structured(document, kind)
    except UnfitError as error:
        faults = "; ".join(f"{fault} @ ${place}" for place, fault in error.faults)
        raise unfit(event, faults) from None


def _extra(event: Event) -> dict[str, Any]:
    """Return what the data of an event has beside its type; nothing if it is no JSON object."""
    try:
        document = as_object(data_of(event))
    except StreamError:
        return {}
    return {name: value for name, value in document.items() if name != "type"}
