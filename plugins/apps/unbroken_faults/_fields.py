"""Converters and validators for the fields of a fault, whether they come from Python or from a script."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, Final, TypeAlias, cast

from attrs import Attribute, frozen

Bytes: TypeAlias = bytes | str
Event: TypeAlias = bytes | str | Mapping[str, Any]
Input: TypeAlias = Mapping[str, Any] | str
Check: TypeAlias = Callable[[Any, "Attribute[Any]", Any], None]


@frozen
class ToolUse:
    """A call of a tool, with its input as JSON."""

    name: str
    input: str


def compact(value: Any) -> bytes:
    """Encode `value` as JSON without spaces, as the APIs do. Half of a surrogate pair is escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


def sse(type: str, data: Any) -> bytes:
    """Return one server-sent event. `data` is bytes, which are sent unchanged, or any value that can be JSON."""
    raw = data if isinstance(data, bytes) else compact(data)
    return b"event: %b\ndata: %b\n\n" % (type.encode(), raw)


# Converters.


def as_bytes(value: Bytes) -> bytes:
    """Return bytes; text is encoded as UTF-8."""
    return value if isinstance(value, bytes) else str(value).encode()


def as_optional_bytes(value: Bytes | None) -> bytes | None:
    """Return bytes or None; text is encoded as UTF-8."""
    return None if value is None else as_bytes(value)


def as_text(value: str | None) -> str | None:
    """Return text or None. A value from a script may be a number."""
    return None if value is None else str(value)


def as_headers(value: Mapping[str, str] | Iterable[Iterable[Bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Return pairs of name and value, from pairs or a mapping. Raises ValueError."""
    pairs: Iterable[Any] = cast("Mapping[Any, Any]", value).items() if isinstance(value, Mapping) else value
    try:
        return tuple((as_bytes(name), as_bytes(text)) for name, text in pairs)
    except (TypeError, ValueError):
        raise ValueError(f"'headers' must be pairs of name and value, not {value!r}") from None


def as_events(value: Iterable[Event] | None) -> tuple[bytes, ...] | None:
    """Return events as bytes, from bytes, text or JSON objects with a ``type``. Raises ValueError."""
    if value is None:
        return None
    try:
        return tuple(sse(each["type"], each) if isinstance(each, Mapping) else as_bytes(each) for each in value)
    except (AttributeError, KeyError, TypeError):
        raise ValueError(f"'events' must be texts or objects with a 'type', not {value!r}") from None


def as_tools(value: Iterable["ToolUse | Sequence[Any] | Mapping[str, Any]"]) -> tuple[ToolUse, ...]:
    """Return calls of tools, from pairs of name and input or objects with ``name`` and ``input``. Raises ValueError.

    An input is an object, or text: that is sent as it is, also if it is no JSON.
    """
    try:
        return tuple(each if isinstance(each, ToolUse) else _as_tool(each) for each in value)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"'tools' must be pairs of name and input, not {value!r}") from None


def _as_tool(value: Sequence[Any] | Mapping[str, Any]) -> ToolUse:
    name, input = (value["name"], value.get("input", {})) if isinstance(value, Mapping) else value
    if not isinstance(name, str) or not isinstance(input, Mapping | str):
        raise TypeError
    text = input if isinstance(input, str) else json.dumps(dict(cast("Any", input)), ensure_ascii=False)
    return ToolUse(name, text)


def as_pair(value: Iterable[int] | None) -> tuple[int, int] | None:
    """Return a pair of integers, or None. Raises ValueError."""
    try:
        return None if value is None else as_range([*value])
    except (TypeError, ValueError):
        raise ValueError(f"'usage' must be a pair of token counts, not {value!r}") from None


def as_range(value: int | Iterable[int]) -> tuple[int, int]:
    """Return a pair of integers, from a pair or from one number for both. Raises ValueError."""
    try:
        first, second = (value, value) if isinstance(value, int) else value
        return int(first), int(second)
    except (TypeError, ValueError):
        raise ValueError(f"'slice_size' must be a size or a pair of sizes, not {value!r}") from None


def shortened(value: object) -> str:
    """Return the repr of `value`, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


# Validators.


def _check(fits: Callable[[Any], bool], wanted: str) -> Check:
    def check(fault: Any, attribute: "Attribute[Any]", value: Any) -> None:
        if not fits(value):
            raise ValueError(f"{attribute.name!r} must be {wanted}, not {value!r}")

    return check


def _number(value: Any) -> bool:
    return type(value) in {int, float} and isfinite(value)


integer: Final = _check(lambda value: type(value) is int, "an integer")
whole_number: Final = _check(lambda value: value is None or (type(value) is int and value >= 0), "0, 1, 2 ... or None")
status_code: Final = _check(lambda value: type(value) is int and 200 <= value <= 999, "a final HTTP status")
seconds: Final = _check(lambda value: _number(value) and value >= 0, "seconds, 0 or more")
positive: Final = _check(lambda value: _number(value) and value > 0, "a number above 0")
rising: Final = _check(lambda value: 0 <= value[0] <= value[1], "a size or a pair (smallest, largest)")
