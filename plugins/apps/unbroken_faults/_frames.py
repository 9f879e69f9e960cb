"""Binary frames: the encoding ``application/vnd.amazon.eventstream``.

According to the vendor's page *event stream encoding* as of 2026. It is written here again, although the library has an
encoder, so that a mistake in one is found by the other.
"""

import struct
import zlib
from typing import Any, Final

from ._fields import compact

ENDLESS: Final = 0xFFFF_FFFF
"""The longest length that a frame can announce."""
_STRING: Final = 7
"""The type of a header whose value is text."""
_JSON: Final = "application/json"


def event(type: str, payload: bytes | dict[str, Any]) -> bytes:
    """Return a frame with an event. `payload` is bytes, which are sent unchanged, or an object that becomes JSON."""
    return _frame(_headers(("event-type", type), ("content-type", _JSON), ("message-type", "event")), payload)


def exception(type: str, payload: dict[str, Any]) -> bytes:
    """Return a frame with an exception."""
    return _frame(_headers(("exception-type", type), ("content-type", _JSON), ("message-type", "exception")), payload)


def endless_headers() -> bytes:
    """Return the beginning of a frame whose headers do not end."""
    return _prelude(ENDLESS, ENDLESS - 16)


def endless_payload(type: str) -> bytes:
    """Return the beginning of a frame with an event whose payload does not end."""
    headers = _headers(("event-type", type), ("content-type", _JSON), ("message-type", "event"))
    return _prelude(ENDLESS, len(headers)) + headers


def _frame(headers: bytes, payload: bytes | dict[str, Any]) -> bytes:
    content = headers + (payload if isinstance(payload, bytes) else compact(payload))
    body = _prelude(16 + len(content), len(headers)) + content
    return body + struct.pack(">I", zlib.crc32(body))


def _prelude(length: int, headers: int) -> bytes:
    lengths = struct.pack(">II", length, headers)
    return lengths + struct.pack(">I", zlib.crc32(lengths))


def _headers(*pairs: tuple[str, str]) -> bytes:
    texts = [(f":{name}".encode(), value.encode()) for name, value in pairs]
    return b"".join(
        struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value for name, value in texts
    )
