"""A sans-IO incremental decoder of ``application/vnd.amazon.eventstream``: bytes in, events out.

It follows the Amazon Event Stream Specification (https://smithy.io/2.0/aws/amazon-eventstream.html); rules are quoted
beside the code that implements them. A stream is a sequence of binary messages, and each becomes one event. Its type
tells what the message is, so that a dialect can classify it by the type alone:

- ``:message-type`` ``event``: the ``:event-type``, such as ``contentBlockDelta``;
- ``exception``, a failure that the service's model has: ``exception:`` and the ``:exception-type``;
- ``error``, any other failure: ``error:`` and the ``:error-code``.

The data of the event is the payload. An error usually has none; its data is then ``{"message": …}`` with the
``:error-message``. Other headers are left out; `decode_message` gives them all.
"""

from typing import Final, final

import msgspec
from attrs import define, field

from . import _eventstream as _format
from ._eventstream import HeaderValue, Message, Timestamp, decode_message, encode_message
from .errors import EventTooLargeError, StreamError
from .framing import MAX_EVENT_SIZE, Decoder
from .messages import Event, Typing

__all__ = (
    "ERROR",
    "EXCEPTION",
    "EventStreamDecoder",
    "HeaderValue",
    "Message",
    "Timestamp",
    "begins_stream",
    "decode_message",
    "encode",
    "encode_message",
)

EXCEPTION: Final = "exception:"
"""What the type of an event begins with that a message of type ``exception`` became."""
ERROR: Final = "error:"
"""What the type of an event begins with that a message of type ``error`` became."""

_MAX_TYPES: Final = 256
_MAX_LEARNED: Final = 256
_MAX_MESSAGE: Final = 1024

# The headers of ordinary events, as bytes, and the event type that they stand for: learned by all decoders.
_TYPES: Final[dict[bytes, str]] = {}


def begins_stream(start: bytes) -> bool | None:
    """Return whether a body that begins with `start` is such a stream, None if more bytes are needed to tell."""
    if len(start) < _format.PRELUDE_SIZE:
        return None
    try:
        _format.read_prelude(memoryview(start)[: _format.PRELUDE_SIZE], 0)
    except StreamError:
        return False
    return True


def encode(event: Event) -> bytes:
    """Return `event` as a message, such that a decoder makes an equal event of it. Its id is left out.

    Raises ValidationError if the type or the data is too long for the format.
    """
    headers: dict[str, HeaderValue] = {":message-type": "event", ":event-type": event.type}
    if event.type.startswith(EXCEPTION):
        headers = {":message-type": "exception", ":exception-type": event.type.removeprefix(EXCEPTION)}
    elif event.type.startswith(ERROR):
        code = event.type.removeprefix(ERROR)
        headers = {":message-type": "error", ":error-code": code, ":error-message": _message_in(event)}
    return encode_message(headers | {":content-type": "application/json"}, event.raw)


def _message_in(event: Event) -> str:
    try:
        message = event.get("message")
    except StreamError:
        return ""
    return message[:_MAX_MESSAGE] if isinstance(message, str) else ""


def _text(headers: dict[str, HeaderValue], name: str) -> str:
    value = headers.get(name)
    return value if isinstance(value, str) else ""


@final
@define(eq=False, repr=False)
class EventStreamDecoder(Decoder):
    """Decodes one event stream. Every event is given `request_id` and `dialect`.

    `max_event_size` limits the bytes of a whole message. Its prelude tells them, so a larger one is refused before it
    is kept. A message that is not valid ends decoding with a StreamError that says what is wrong at which byte.
    """

    max_event_size: int = MAX_EVENT_SIZE
    request_id: str = field(default="", kw_only=True)
    dialect: Typing | None = field(default=None, kw_only=True)
    error: StreamError | None = field(default=None, init=False)
    """The error that ended decoding for good; None while it goes on."""

    _frame: bytearray = field(factory=bytearray, init=False)  # the unfinished message
    _needed: int = field(default=_format.PRELUDE_SIZE, init=False)  # with so many bytes of it there is something to do
    _place: int = field(default=0, init=False)  # the byte of the stream where the message begins

    @property
    def at_boundary(self) -> bool:
        """Whether no message is unfinished."""
        return not self._frame

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes.

        Raises StreamError if a message is not valid, EventTooLargeError if it exceeds the limit, and the same on every
        call after that. If other events were complete before it, they are returned and the next call raises.
        """
        if self.error is not None:
            raise self.error.with_traceback(None)
        events: list[Event] = []
        if self._frame:
            self._frame += data
            if len(self._frame) < self._needed:
                return events
            data = bytes(self._frame)
            self._frame.clear()
        try:
            self._frame += self._decode(data, events)
        except StreamError as error:
            self.error = error.with_traceback(None)  # the frames in it would keep the bytes alive
            self.error.request_id = self.request_id or None
            data = b""
            if not events:
                raise self.error from None
        return events

    def close(self) -> list[Event]:
        """End the stream and discard an unfinished message. Raises the StreamError that ended decoding, if any."""
        self._frame.clear()
        if self.error is not None:
            raise self.error.with_traceback(None)
        return []

    def _decode(self, data: bytes, events: list[Event]) -> memoryview:
        """Add the events to `events`. Returns what is left: the start of a message."""
        view = memoryview(data)
        start, size = 0, len(data)
        self._needed = _format.PRELUDE_SIZE
        while size - start >= _format.PRELUDE_SIZE:
            total, headers_size = _format.read_prelude(view[start : start + _format.PRELUDE_SIZE], self._place)
            if total > self.max_event_size:
                raise self._too_large(total)
            stop = start + total
            if stop > size:
                self._needed = total
                break
            _format.check_crc(view[start:stop], self._place)
            headers_end = start + _format.PRELUDE_SIZE + headers_size
            headers, payload = data[start + _format.PRELUDE_SIZE : headers_end], data[headers_end : stop - 4]
            type = _TYPES.get(headers)
            if type is None:
                type, payload = self._read(headers, payload)
            events.append(Event(type, payload, "", self.request_id, self.dialect))
            self._place += total
            start = stop
        return view[start:]

    def _read(self, block: bytes, payload: bytes) -> tuple[str, bytes]:
        """Return the type and the data of the event. The headers of ordinary events are read once."""
        headers = _format.read_headers(block, self._place)
        kind = headers.get(":message-type")
        if kind == "event":
            type = headers.get(":event-type")
            if not isinstance(type, str):
                raise _format.broken(self._place, "is an event without a type")
            if len(block) <= _MAX_LEARNED and len(_TYPES) < _MAX_TYPES:
                _TYPES[block] = type
            return type, payload
        # A failure without a name is one all the same.
        if kind == "exception":
            return EXCEPTION + _text(headers, ":exception-type"), payload
        if kind == "error":
            data = payload or msgspec.json.encode({"message": _text(headers, ":error-message")})
            return ERROR + _text(headers, ":error-code"), data
        said = "no message type" if kind is None else f"the unknown message type {kind!r:.60}"
        raise _format.broken(self._place, f"has {said}")

    def _too_large(self, total: int) -> EventTooLargeError:
        return EventTooLargeError(
            f"the message at byte {self._place} of the event stream has {total} bytes, "
            f"more than the limit of {self.max_event_size}",
            limit=self.max_event_size,
        )
