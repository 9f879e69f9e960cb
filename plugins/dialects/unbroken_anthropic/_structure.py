"""Convert JSON to typed events, with a cattrs converter that coerces nothing: ``"0"`` is not accepted as an index."""

from collections.abc import Callable
from functools import cache
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Final, cast, get_args, get_origin

import attrs

from unbroken import Event, StreamError

from ._blocks import ContentBlock, RedactedThinkingBlock, TextBlock, ThinkingBlock, ToolUseBlock
from ._events import (
    CitationsDelta,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ContentDelta,
    ErrorEvent,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from ._tagged import Tagged, TypedEvent, json_names

if TYPE_CHECKING:
    from cattrs import Converter

Structure = Callable[[Any, Any], Any]

UNNAMED: Final = "message"
"""The type of an event without a name (WHATWG HTML §9.2.6)."""
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
    type(None): "null",
}


class _UnfitError(ValueError):
    """The message names the expected and the actual type, never the value."""


def typed(event: Event) -> TypedEvent | Event:
    """Return `event` as an object of its class; an event of an unknown type is returned unchanged.

    Raises StreamError, with the place and without the data, if the data does not fit the type.
    """
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
        return _converter().structure(value, kind)
    except Exception as error:  # noqa: BLE001  cattrs raises a different class for each kind of failure
        raise _stream_error(event, _faults(error)) from None


def _stream_error(event: Event, fault: str) -> StreamError:
    return StreamError(f"the data of event {event.type!r} does not fit: {fault}", request_id=event.request_id or None)


def _faults(error: Exception) -> str:
    from cattrs import transform_error

    return "; ".join(transform_error(error, format_exception=_fault))


def _fault(error: BaseException, _: Any) -> str:
    if isinstance(error, _UnfitError):
        return str(error)
    return "is missing" if isinstance(error, KeyError) else f"cannot be read ({type(error).__name__})"


def _described(value: Any) -> str:
    return _JSON.get(type(value), type(value).__name__)


@cache
def _converter() -> "Converter":
    from cattrs import Converter

    converter = Converter(detailed_validation=True)
    for kind in (str, int):
        converter.register_structure_hook(kind, _exactly)
    converter.register_structure_hook_func(_has_origin(dict), _exactly)
    converter.register_structure_hook_factory(_has_origin(tuple), _tuples(converter))
    converter.register_structure_hook_func(lambda kind: kind == ContentBlock, _one_of(converter, _BLOCKS))
    converter.register_structure_hook_func(lambda kind: kind == ContentDelta, _one_of(converter, _DELTAS))
    converter.register_structure_hook_factory(
        lambda kind: isinstance(kind, type) and issubclass(kind, Tagged), _objects(converter)
    )
    return converter


def _has_origin(origin: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is origin


def _exactly(value: Any, kind: Any) -> Any:
    kind = get_origin(kind) or kind
    if type(value) is not kind:  # True is an int
        raise _UnfitError(f"must be {_JSON[kind]}, not {_described(value)}")
    return value


def _tuples(converter: "Converter") -> Callable[[Any], Structure]:
    def make(kind: Any) -> Structure:
        items: Any = GenericAlias(list, get_args(kind)[:1])
        structured = converter.get_structure_hook(items)
        return lambda value, _: tuple(structured(_exactly(value, list), items))

    return make


def _one_of(converter: "Converter", kinds: dict[str, type[Tagged]]) -> Structure:
    """Return a hook that structures an object by its ``type``; one of an unknown type stays as it is."""

    def structure(value: Any, _: Any) -> Any:
        name = _exactly(value, dict).get("type")
        if not isinstance(name, str):
            raise _UnfitError("has no type")
        kind = kinds.get(name)
        return value if kind is None else converter.structure(value, kind)

    return structure


def _objects(converter: "Converter") -> Callable[[Any], Structure]:
    """Return a factory of hooks that structure the known fields of an object and keep the others in `extra`."""
    from cattrs.gen import make_dict_structure_fn, override

    def make(kind: Any) -> Structure:
        names = json_names(kind)
        overrides: dict[str, Any] = {attribute: override(rename=name) for attribute, name in names.items()}
        derived = {each.name for each in attrs.fields(kind)} - {*names, "extra"}
        overrides |= {attribute: override(omit=True) for attribute in derived}
        fields: Structure = make_dict_structure_fn(kind, converter, **overrides)
        known = frozenset(names.values()) | ({"type"} if kind.type else set[str]())

        def structure(value: Any, _: Any) -> Any:
            given = _exactly(value, dict)
            if kind.type and given.get("type") != kind.type:
                raise _UnfitError(f"must have the type {kind.type!r}")
            extra = {name: it for name, it in given.items() if it is None or name not in known}
            return fields({**given, "extra": extra}, kind)

        return structure

    return make
