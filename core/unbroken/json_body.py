"""A body that is one JSON document, as one event: for servers that answer with a stream or with JSON, as they like."""

from typing import Final, final

from attrs import define, field

from .errors import StreamError
from .framing import MAX_EVENT_SIZE, Decoder, too_large
from .messages import Event, Typing

_WHITE: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"


@final
@define(eq=False, repr=False)
class JSONBodyDecoder(Decoder):
    """Keeps the body until its end, which completes the event if the body is an object or an array (RFC 8259)."""

    max_event_size: int = MAX_EVENT_SIZE
    request_id: str = field(default="", kw_only=True)
    dialect: Typing | None = field(default=None, kw_only=True)
    error: StreamError | None = field(default=None, init=False)
    _body: bytearray = field(factory=bytearray, init=False)

    @property
    def at_boundary(self) -> bool:
        """Whether nothing has come yet."""
        return not self._body

    def feed(self, data: bytes) -> list[Event]:
        """Return no event, as the body goes on. Raises EventTooLargeError for a body that is too large."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        if len(self._body) + len(data) > self.max_event_size:
            self._body.clear()
            self.error = too_large(self.max_event_size, self.request_id)
            raise self.error
        self._body += data
        return []

    def close(self) -> list[Event]:
        """Return the event, none if the body is no JSON: it was cut. Raises the error that ended decoding."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        raw = bytes(self._body).removeprefix(_BOM).strip(_WHITE)
        self._body.clear()
        event = Event("message", raw, "", self.request_id, self.dialect)
        try:
            return [event] if isinstance(event.json(), dict | list) else []
        except StreamError:
            return []
