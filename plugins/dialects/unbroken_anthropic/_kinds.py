"""What each event means for the engine: progress, content, the end, a failure."""

import re
from collections.abc import Callable
from typing import Any, Final, cast

from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE, Kind
from unbroken.error_bodies import as_object, error_document
from unbroken.error_report import reports_error
from unbroken.errors import StreamError
from unbroken.messages import Event

from ._documents import UNNAMED, data_of, text_blocks

FAILED: Final = frozenset(
    {"error", "abort", "aborted", "network_error", "insufficient_system_resource", "server_error"}
)
"""Stop reasons by which gateways report that the model failed."""

_COUNTED: Final = PREAMBLE | USAGE
_COUNTED_CONTENT: Final = CONTENT | USAGE
_COUNTED_ERROR: Final = ERROR | USAGE
_DELTA: Final = "content_block_delta"

_BY_NAME: Final[dict[str, Kind]] = {
    "message_start": _COUNTED,
    "content_block_start": STRUCTURE,
    "ping": KEEPALIVE,
    _DELTA: CONTENT,
    # Blocks without deltas (fallback, redacted_thinking) come before there is anything to show, so they do not commit.
    "content_block_stop": STRUCTURE,
    "message_delta": _COUNTED_CONTENT,
    "message_stop": TERMINAL,
    "error": ERROR,
}


# The beginning of a delta as the API writes it, up to the first character of a text that is not empty.
full_delta: Final = re.compile(
    rb'\{"type": ?"content_block_delta", ?"index": ?\d+, ?"delta": ?\{"type": ?"[a-z_]+", ?"[a-z_]+": ?"[^"]'
).match


def kind_of(event: Event) -> Kind:
    """Return the kind of `event`. Never raises: of invalid JSON the name decides, else it is content."""
    name = event.type
    if name == _DELTA:
        if full_delta(event.raw):
            return CONTENT
    elif name in _BY_NAME and name not in _BY_DATA:
        return _BY_NAME[name]
    try:
        data = data_of(event)
    except StreamError:
        return _BY_NAME.get(name, CONTENT if name == UNNAMED else KEEPALIVE)
    if data is None:
        return ERROR if event.raw.startswith(b"[") and reports_error(error_document(event.raw) or {}) else KEEPALIVE
    if not isinstance(data, dict):
        return _BY_NAME.get(name, KEEPALIVE)
    return _kind_by_data(event, cast("dict[str, Any]", data))


def _kind_by_data(event: Event, document: dict[str, Any]) -> Kind:
    name = event.type
    if name == UNNAMED:
        said = document.get("type", _DELTA if "delta" in document else None)
        name = said if isinstance(said, str) else UNNAMED
    if name in _BY_DATA:
        return _BY_DATA[name](document)
    # An event of a vendor, which says its type twice, may tell of errors that are not those of the call.
    is_vendors = name != UNNAMED and document.get("type") == event.type
    return _BY_NAME.get(name) or (ERROR if reports_error(document) and not is_vendors else KEEPALIVE)


def failed_reason(document: dict[str, Any]) -> str | None:
    """Return the stop reason by which `document`, an event, reports a failure; None if it reports none."""
    for part in ("delta", "message"):
        reason = as_object(document.get(part)).get("stop_reason")
        if isinstance(reason, str) and reason in FAILED:
            return reason
    return None


def _message_start(document: dict[str, Any]) -> Kind:
    if failed_reason(document):
        return _COUNTED_ERROR
    content = as_object(document.get("message")).get("content")
    return _COUNTED_CONTENT if text_blocks(content) else _COUNTED


def _block_start(document: dict[str, Any]) -> Kind:
    return CONTENT if text_blocks([document.get("content_block")]) else STRUCTURE


def _block_delta(document: dict[str, Any]) -> Kind:
    if "delta" not in document and document.get("error"):
        return ERROR
    return CONTENT if _says_anything(document.get("delta")) else KEEPALIVE


def _message_delta(document: dict[str, Any]) -> Kind:
    if failed_reason(document):
        return _COUNTED_ERROR
    if _says_anything(document.get("delta")):
        return _COUNTED_CONTENT
    return _COUNTED if document.get("usage") else KEEPALIVE


def _says_anything(delta: Any) -> bool:
    """Return whether `delta` has more than its type and empty values. A delta that is no object is left to `typed`."""
    if not isinstance(delta, dict):
        return delta is not None
    fields = cast("dict[str, Any]", delta)
    return any(value not in (None, "", [], {}) for name, value in fields.items() if name != "type")


_BY_DATA: Final[dict[str, Callable[[dict[str, Any]], Kind]]] = {
    "message_start": _message_start,
    "content_block_start": _block_start,
    _DELTA: _block_delta,
    "message_delta": _message_delta,
}
