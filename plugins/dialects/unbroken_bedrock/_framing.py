"""The framing of Bedrock: Amazon's messages, of which a ``chunk`` is only the envelope of a model's own event.

InvokeModelWithResponseStream sends ``{"bytes": "<base64>"}`` in messages of type ``chunk``. The event is what they
hold. For the Messages API of Anthropic it has the name that it has there.
"""

from typing import Any, Final, final

import msgspec
from attrs import define, field

from unbroken.errors import StreamError
from unbroken.framing import Decoder, Framing
from unbroken.framings import AWS_EVENTS
from unbroken.messages import Event, Typing

CHUNK: Final = "chunk"
"""The type of an event of any other model."""
MESSAGES: Final = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)
"""The types of the events of the Messages API (https://platform.claude.com/docs/en/build-with-claude/streaming)."""


class _Chunk(msgspec.Struct, gc=False):
    content: bytes = msgspec.field(default=b"", name="bytes")


class _Typed(msgspec.Struct, gc=False):
    type: Any = None


_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_typed = msgspec.json.Decoder(_Typed).decode


@final
class _Bedrock(Framing):
    def decoder(self, max_event_size: int, *, request_id: str = "", dialect: Typing | None = None) -> Decoder:
        return OpeningDecoder(AWS_EVENTS.decoder(max_event_size, request_id=request_id, dialect=dialect))

    def begins(self, start: bytes) -> bool | None:
        return AWS_EVENTS.begins(start)

    def encode(self, event: Event) -> bytes:
        if event.type == CHUNK or event.type in MESSAGES:
            event = Event.make(CHUNK, _Chunk(event.raw))
        return AWS_EVENTS.encode(event)

    def unit_end(self, data: bytearray, start: int) -> int:
        return AWS_EVENTS.unit_end(data, start)

    def whole_end(self, data: bytearray, start: int, seen: int) -> int:
        return AWS_EVENTS.whole_end(data, start, seen)


BEDROCK_EVENTS: Final[Framing] = _Bedrock()


@final
@define(eq=False, repr=False)
class OpeningDecoder(Decoder):
    """Decodes Amazon's messages with `frames`, and makes of each chunk the event that it holds."""

    frames: Decoder
    error: StreamError | None = field(default=None, init=False)
    """The error that ended decoding for good; None while it goes on."""

    @property
    def at_boundary(self) -> bool:
        """Whether no message is unfinished."""
        return self.frames.at_boundary

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes.

        Raises StreamError for a message that is not valid or a chunk whose bytes are not base64, and on every call
        after that. If other events were complete before it, they are returned and the next call raises.
        """
        if self.error is not None:
            raise self.error.with_traceback(None)
        events: list[Event] = []
        try:
            for frame in self.frames.feed(data):
                events.append(_opened(frame))  # noqa: PERF401  # those before a failure are kept
        except StreamError as error:
            self.error = error.with_traceback(None)
            if not events:
                raise self.error from None
        self.error = self.error or self.frames.error
        return events

    def close(self) -> list[Event]:
        """End the stream and discard an unfinished message. Raises the StreamError that ended decoding, if any."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        return self.frames.close()


def _opened(frame: Event) -> Event:
    """Return the event in a chunk, any other event as it is."""
    if frame.type != CHUNK:
        return frame
    try:
        content = _decode_chunk(frame.raw).content
    except (ValueError, RecursionError):
        message = "a chunk of the stream is not JSON with base64 as its bytes"
        raise StreamError(message, request_id=frame.request_id or None) from None
    return frame.replace(type=_type_of(content), raw=content)


def _type_of(content: bytes) -> str:
    try:
        type = _decode_typed(content).type
    except (ValueError, RecursionError):
        return CHUNK
    return type if isinstance(type, str) and type in MESSAGES else CHUNK
