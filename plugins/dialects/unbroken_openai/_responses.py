"""The events of the Responses API (https://developers.openai.com/api/reference/resources/responses)."""

from typing import Any, Final

import msgspec

from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, TERMINAL, USAGE, Kind

TEXT_DELTA: Final = "response.output_text.delta"
TEXT_DONE: Final = "response.output_text.done"
PREFIX: Final = "response."
_ERROR_USAGE: Final = ERROR | USAGE
_TERMINAL_USAGE: Final = TERMINAL | USAGE

# All other types that begin with `PREFIX` are content. So are the states of server-side tools, so that the consumer
# sees them at once.
KINDS: Final[dict[str, Kind]] = {
    "response.queued": PREAMBLE,
    "response.created": PREAMBLE,
    "response.in_progress": PREAMBLE,
    "response.output_item.added": PREAMBLE,
    "response.content_part.added": PREAMBLE,
    "response.reasoning_summary_part.added": PREAMBLE,
    TEXT_DELTA: CONTENT,
    "response.completed": _TERMINAL_USAGE,
    "response.incomplete": _TERMINAL_USAGE,
    "response.done": _TERMINAL_USAGE,
    "response.failed": _ERROR_USAGE,
    "response.error": _ERROR_USAGE,
    "response.cancelled": _ERROR_USAGE,
    "response.canceled": _ERROR_USAGE,
    "error": _ERROR_USAGE,
    "keepalive": KEEPALIVE,
    "ping": KEEPALIVE,
}
CANCELLED: Final = ("response.cancelled", "response.canceled")
_FAILED: Final = frozenset({"failed", "cancelled", "canceled"})
_DELIVERED: Final = frozenset({"completed", "incomplete"})


class _State(msgspec.Struct, gc=False):
    status: Any = None
    error: Any = None


class _End(msgspec.Struct, gc=False):
    response: _State


_decode_end = msgspec.json.Decoder(_End).decode


def is_response(type: str) -> bool:
    """Return whether this is the type of an event of the Responses API, or of a keep-alive beside them."""
    return type in KINDS or type.startswith(PREFIX)


def kind_of(type: str, raw: bytes) -> Kind:
    """Return the kind of an event of the Responses API. Never raises: what is not JSON does not matter."""
    kind = KINDS.get(type, CONTENT)
    if kind is CONTENT:
        return CONTENT if raw and not raw.isspace() else KEEPALIVE
    return _ERROR_USAGE if kind is _TERMINAL_USAGE and _failed(raw) else kind


def _failed(raw: bytes) -> bool:
    """Return whether the response in a terminal event failed or was cancelled, whatever the name of the event."""
    try:
        response = _decode_end(raw).response
    except (ValueError, RecursionError):
        return False
    status = response.status if isinstance(response.status, str) else None
    return status in _FAILED or bool(response.error and status not in _DELIVERED)
