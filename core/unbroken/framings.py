"""The framings of this library: of each the decoder, the encoder, and where its events end."""

import re
from typing import Final, final

from . import eventstream, ndjson, sse
from .framing import Decoder, Framing
from .json_body import JSONBodyDecoder
from .messages import Event, Typing

_BOM: Final = b"\xef\xbb\xbf"
_LINE: Final = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)")
# Two of these bytes are the end of a line and a blank one. A cut between CR and LF is understood by every decoder.
_BLANK: Final = (b"\n\n", b"\n\r", b"\r\r")
# Lines that a decoder ignores; one is left of each run, within an event with its end: a CR may be half of a CRLF.
_IGNORED_LINE: Final = rb"(?!(?:\A\xef\xbb\xbf)?(?:data|event|id|retry)[:\r\n])[^\r\n]++"
_WITHIN: Final = re.compile(rb"(?:\A|(?<=[\r\n]))(?:%b(\r\n|\r|\n))+" % _IGNORED_LINE)
_BETWEEN: Final = re.compile(rb"(?:\A|(?<=\n\n|\n\r|\r\r))(?:(?:%b)?(?:\r\n|\r|\n))+" % _IGNORED_LINE)
_KNOWN: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:data|event|id|retry):")
_BLANK_LINES: Final = re.compile(rb"^[ \t\r]*+\n", re.MULTILINE)
_TELLING: Final = 9  # so many bytes of a line tell whether it is ignored, also behind a BOM


@final
class _SSE(Framing):
    def decoder(self, max_event_size: int, *, request_id: str = "", dialect: Typing | None = None) -> Decoder:
        return sse.SSEDecoder(max_event_size, request_id=request_id, dialect=dialect)

    def decoder_within(self) -> Decoder:
        decoder = super().decoder_within()
        decoder.feed(b"\n")  # a BOM stands at the start of a stream only
        return decoder

    def begins(self, start: bytes) -> bool | None:
        return sse.begins_stream(start)

    def encode(self, event: Event) -> bytes:
        return sse.encode(event)

    def unit_end(self, data: bytearray, start: int) -> int:
        line = _LINE.match(data, start)
        return start if line is None else line.end()

    def whole_end(self, data: bytearray, start: int, seen: int) -> int:
        looked_from = max(0, start - 1, seen - 1)
        places = (data.rfind(blank, looked_from) for blank in _BLANK)
        return max([start, *(place + 2 for place in places if place >= 0)])

    def without_keepalives(self, data: bytearray, whole: int) -> tuple[bytearray, int]:
        kept = _without_comments(data[:whole])
        line = max(whole, data.rfind(b"\n") + 1, data.rfind(b"\r") + 1)  # the unfinished one
        rest, last = _without_comments(data[whole:line]), data[line:]
        if _KNOWN.match(last) is None:
            del last[_TELLING:]
        return kept + rest + last, len(kept)


@final
class _NDJSON(Framing):
    def decoder(self, max_event_size: int, *, request_id: str = "", dialect: Typing | None = None) -> Decoder:
        return ndjson.NDJSONDecoder(max_event_size, request_id=request_id, dialect=dialect)

    def begins(self, start: bytes) -> bool | None:
        return _begins_json(start)

    def encode(self, event: Event) -> bytes:
        return ndjson.encode(event)

    def unit_end(self, data: bytearray, start: int) -> int:
        return data.find(b"\n", start) + 1 or start

    def whole_end(self, data: bytearray, start: int, seen: int) -> int:
        return max(start, data.rfind(b"\n", max(start, seen)) + 1)

    def without_keepalives(self, data: bytearray, whole: int) -> tuple[bytearray, int]:
        kept = bytearray(_BLANK_LINES.sub(b"", data[:whole]))
        return kept + data[whole:], len(kept)


@final
class _AWS(Framing):
    def decoder(self, max_event_size: int, *, request_id: str = "", dialect: Typing | None = None) -> Decoder:
        return eventstream.EventStreamDecoder(max_event_size, request_id=request_id, dialect=dialect)

    def begins(self, start: bytes) -> bool | None:
        return eventstream.begins_stream(start)

    def encode(self, event: Event) -> bytes:
        return eventstream.encode(event)

    def unit_end(self, data: bytearray, start: int) -> int:
        end = start + int.from_bytes(data[start : start + 4])
        return end if start < end <= len(data) else start

    def whole_end(self, data: bytearray, start: int, seen: int) -> int:
        while (end := self.unit_end(data, start)) > start:
            start = end
        return start


@final
class _JSONBody(Framing):
    def decoder(self, max_event_size: int, *, request_id: str = "", dialect: Typing | None = None) -> Decoder:
        return JSONBodyDecoder(max_event_size, request_id=request_id, dialect=dialect)

    def begins(self, start: bytes) -> bool | None:
        return _begins_json(start)

    def encode(self, event: Event) -> bytes:
        return event.raw

    def unit_end(self, data: bytearray, start: int) -> int:
        return start

    def whole_end(self, data: bytearray, start: int, seen: int) -> int:
        return start


SSE: Final[Framing] = _SSE()
"""``text/event-stream`` (WHATWG HTML §9.2)."""
NDJSON: Final[Framing] = _NDJSON()
"""One JSON text per line, ``application/x-ndjson``."""
AWS_EVENTS: Final[Framing] = _AWS()
"""``application/vnd.amazon.eventstream``."""
JSON_BODY: Final[Framing] = _JSONBody()
"""One JSON document, which is the only event."""


def _begins_json(start: bytes) -> bool | None:
    text = start.removeprefix(_BOM).lstrip()
    return None if _BOM.startswith(text) else text[:1] in {b"{", b"["}


def _without_comments(kept: bytearray) -> bytearray:
    return bytearray(_WITHIN.sub(rb":\1", _BETWEEN.sub(b":\n", kept)))
