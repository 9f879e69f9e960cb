"""What the bytes of an event are as objects."""

from typing import Any, Final, TypeVar, cast, get_args

from unbroken.errors import StreamError
from unbroken.messages import Event

from ._chunk_events import ChatCompletionChunk
from ._chunks import is_done
from ._failures import unwrapped
from ._reader import is_cut, type_of
from ._responses import is_response
from ._structure import NAMES, Faults, structured
from ._typed_base import ResponseEvent, TypedEvent
from ._union import AnyResponseEvent, OpenAIEvent

T = TypeVar("T", bound=TypedEvent)


_EVENTS: Final[dict[str, type[AnyResponseEvent]]] = {kind.type: kind for kind in get_args(AnyResponseEvent)}


def typed(event: Event) -> OpenAIEvent:
    """Return `event` as an object of its class; a keep-alive, ``[DONE]`` and an event of an unknown type themselves.

    Raises StreamError, with the place and without the data, when that is not what such an event has.
    """
    raw = event.raw
    if raw[:1] != b"{" and (not raw or raw.isspace() or is_done(raw)):
        return event
    if is_response(event.type):
        kind = _EVENTS.get(event.type)
        return event if kind is None else _typed(event, event.json(), kind)
    try:
        document = unwrapped(event.json())
    except StreamError:
        if is_cut(raw):
            raise
        return event
    type = type_of(document)
    if type is not None:
        kind = _EVENTS.get(type)
        return event if kind is None else _typed(event, document, kind)
    return _typed(event, document, ChatCompletionChunk) if "choices" in document else event


def _typed(event: Event, value: Any, kind: type[T]) -> T:
    if not isinstance(value, dict):
        raise _unfit(event, [("$", f"must be an object, not {NAMES[type(value)]}")])
    document = cast("dict[str, Any]", value)
    if "type" in document and issubclass(kind, ResponseEvent):
        if document["type"] != kind.type:
            raise _unfit(event, [("$.type", "has the type of another event")])
        document = {**document}
        del document["type"]
    faults: Faults = []
    made: T = structured(document, kind, faults)
    if faults:
        raise _unfit(event, faults)
    return made


def _unfit(event: Event, faults: Faults) -> StreamError:
    told = "; ".join(f"{fault} @ {place}" for place, fault in faults[:20])
    return StreamError(
        f"the data of event {event.type[:60]!r} does not fit: {told}", request_id=event.request_id or None
    )
