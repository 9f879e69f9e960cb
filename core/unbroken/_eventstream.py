"""The messages of ``application/vnd.amazon.eventstream``: `unbroken.eventstream` makes events of them.

    uint32 total_length, uint32 headers_length, uint32 prelude_crc, headers, payload, uint32 message_crc

The format is the Amazon Event Stream Specification (https://smithy.io/2.0/aws/amazon-eventstream.html).
"""

import struct
import uuid
import zlib
from collections.abc import Mapping
from typing import Any, Final, final

from attrs import define, field, frozen

from .errors import EventTooLargeError, StreamError, ValidationError

PRELUDE_SIZE: Final = 12
FRAME_SIZE: Final = 16  # the prelude, and the CRC at the end
MAX_HEADERS_SIZE: Final = 128 * 1024
MAX_PAYLOAD_SIZE: Final = 24 * 1024 * 1024

_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_TRUE, _FALSE, _INTEGER, _LONG, _BYTES, _STRING, _TIMESTAMP, _UUID = 0, 1, 4, 5, 6, 7, 8, 9
_SIZES: Final = {2: 1, 3: 2, _INTEGER: 4, _LONG: 8}
_MAX_LENGTH: Final = 0xFFFF


@final
class Timestamp(int):
    """A time as the value of a header: milliseconds since 1970-01-01 00:00 UTC."""

    __slots__ = ()


HeaderValue = bool | int | bytes | str | uuid.UUID
"""The value of a header: byte, short, integer and long are an int, a timestamp is a `Timestamp`."""


@final
@frozen
class Message:
    """One message: its headers by their names, and its payload."""

    headers: dict[str, HeaderValue] = field(factory=dict[str, HeaderValue])
    payload: bytes = b""


def decode_message(data: bytes) -> Message:
    """Return the message that `data` is. Raises StreamError for anything but exactly one valid message."""
    if len(data) < FRAME_SIZE:
        raise broken(0, f"has {len(data)} bytes, less than the {FRAME_SIZE} of the smallest one")
    view = memoryview(data)
    total, headers_size = read_prelude(view)
    if total != len(data):
        raise broken(0, f"has {len(data)} bytes, but its total length says {total}")
    check_crc(view)
    headers_end = PRELUDE_SIZE + headers_size
    return Message(read_headers(data[PRELUDE_SIZE:headers_end]), data[headers_end:-4])


def encode_message(headers: Mapping[str, HeaderValue], payload: bytes = b"") -> bytes:
    """Return the message with these headers and this payload.

    An int becomes an integer, or a long if it does not fit. Raises ValidationError for what the format cannot carry.
    """
    block = b"".join([_written(name, value) for name, value in headers.items()])
    if len(block) > MAX_HEADERS_SIZE or len(payload) > MAX_PAYLOAD_SIZE:
        raise ValidationError(
            f"a message has at most {MAX_HEADERS_SIZE} bytes of headers and {MAX_PAYLOAD_SIZE} of payload, "
            f"not {len(block)} and {len(payload)}",
            is_local=True,
        )
    prelude = struct.pack(">II", FRAME_SIZE + len(block) + len(payload), len(block))
    start = b"%b%b%b%b" % (prelude, _CRC.pack(zlib.crc32(prelude)), block, payload)
    return start + _CRC.pack(zlib.crc32(start))


def broken(place: int, what: str) -> StreamError:
    """Return the error for a message that begins at byte `place` of the stream and is not valid."""
    return StreamError(f"the message at byte {place} of the event stream {what}", retryable=True)


def read_prelude(view: memoryview, place: int = 0) -> tuple[int, int]:
    """Return the total length and the length of the headers of the message that `view` begins with.

    Raises StreamError if they cannot be believed, and EventTooLargeError if they are larger than the format allows.
    """
    # "Both clients and servers MUST validate these checksums." The lengths mean nothing before that.
    total, headers_size, crc = _PRELUDE.unpack_from(view)
    computed = zlib.crc32(view[:8])
    if crc != computed:
        raise broken(place, f"has the prelude CRC {crc:08x}, but its bytes give {computed:08x}")
    payload_size = total - FRAME_SIZE - headers_size
    if payload_size < 0:
        raise broken(place, f"has a total length of {total}, too little for {headers_size} bytes of headers")
    # The specification has the services check these sizes. A client that waits for more would not be bounded.
    if headers_size > MAX_HEADERS_SIZE:
        raise _too_large(place, f"has {headers_size} bytes of headers", MAX_HEADERS_SIZE)
    if payload_size > MAX_PAYLOAD_SIZE:
        raise _too_large(place, f"has a payload of {payload_size} bytes", MAX_PAYLOAD_SIZE)
    return total, headers_size


def _too_large(place: int, what: str, limit: int) -> EventTooLargeError:
    message = f"the message at byte {place} of the event stream {what}; the limit is {limit}"
    return EventTooLargeError(message, limit=limit)


def check_crc(view: memoryview, place: int = 0) -> None:
    """Raise StreamError if the CRC at the end of the message is not that of the bytes before it."""
    (crc,) = _CRC.unpack_from(view, len(view) - 4)
    computed = zlib.crc32(view[:-4])
    if crc != computed:
        raise broken(place, f"has the message CRC {crc:08x}, but its bytes give {computed:08x}")


def read_headers(block: bytes, place: int = 0) -> dict[str, HeaderValue]:
    """Return the headers that `block` consists of. Raises StreamError, with the place, if it is not valid."""
    headers: dict[str, HeaderValue] = {}
    reader = _Reader(block, place)
    while reader.at < len(block):
        name = reader.text(reader.number(1, signed=False))
        if name in headers:  # "Any given header name MUST only appear once in a message."
            raise broken(place, f"has the header {name[:60]!r} twice")
        headers[name] = reader.value()
    return headers


@final
@define(eq=False)
class _Reader:
    block: bytes
    place: int
    at: int = 0

    def take(self, size: int) -> bytes:
        piece = self.block[self.at : self.at + size]
        if len(piece) < size:
            raise broken(self.place, f"has a header that is cut off at byte {len(self.block)} of the headers")
        self.at += size
        return piece

    def number(self, size: int, *, signed: bool = True) -> int:
        return int.from_bytes(self.take(size), "big", signed=signed)

    def text(self, size: int) -> str:
        start = self.at
        try:
            return self.take(size).decode()
        except UnicodeDecodeError:
            raise broken(self.place, f"has invalid UTF-8 at byte {start} of the headers") from None

    def value(self) -> HeaderValue:
        kind = self.number(1, signed=False)
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in _SIZES:
            return self.number(_SIZES[kind])
        if kind == _BYTES:
            return self.take(self.number(2, signed=False))
        if kind == _STRING:
            return self.text(self.number(2, signed=False))
        if kind == _TIMESTAMP:
            return Timestamp(self.number(8))
        if kind == _UUID:
            return uuid.UUID(bytes=self.take(16))
        raise broken(self.place, f"has a header of the unknown type {kind} at byte {self.at - 1} of the headers")


def _written(name: str, value: HeaderValue) -> bytes:
    try:
        key = name.encode()
        return struct.pack(">B", len(key)) + key + _value(value)
    except (struct.error, OverflowError, UnicodeEncodeError):
        raise ValidationError(
            f"the header {name[:60]!r} cannot be written: a name has at most 255 bytes, text and bytes {_MAX_LENGTH}, "
            "a number 64 bits",
            is_local=True,
        ) from None


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return bytes([_TRUE if value else _FALSE])
        case Timestamp():
            return struct.pack(">Bq", _TIMESTAMP, value)
        case int():
            fits = -(2**31) <= value < 2**31
            return struct.pack(">Bi", _INTEGER, value) if fits else struct.pack(">Bq", _LONG, value)
        case bytes():
            return struct.pack(">BH", _BYTES, len(value)) + value
        case str():
            text = value.encode()
            return struct.pack(">BH", _STRING, len(text)) + text
        case uuid.UUID():
            return bytes([_UUID]) + value.bytes
        case _:
            raise ValidationError(f"a header is a bool, int, bytes, str or UUID, not {value!r:.60}", is_local=True)
