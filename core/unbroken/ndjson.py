"""A sans-IO incremental decoder of newline-delimited JSON (``application/x-ndjson``): bytes in, events out.

It follows the NDJSON specification (https://github.com/ndjson/ndjson-spec) and JSON Lines (https://jsonlines.org): one
JSON text per line, in UTF-8. The text itself is not read here. A line may be split anywhere, since LF never stands
within a JSON text but as whitespace (RFC 8259 §2 and §7) and never is a part of another character of UTF-8.
"""

from typing import Final, final

from attrs import define, field

from .errors import EventTooLargeError, StreamError
from .framing import MAX_EVENT_SIZE, Decoder, too_large
from .messages import Event, Typing

_BOM: Final = b"\xef\xbb\xbf"
_WHITESPACE: Final = b" \t\r"  # of RFC 8259 §2, without the LF that ends the line
_CR: Final = ord("\r")


def encode(event: Event) -> bytes:
    """Return `event` as one line. Its data must be JSON; line ends in it become spaces. Its type and id are left out.

    Data of whitespace alone is a keep-alive, of which a decoder makes no event.
    """
    return event.raw.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


@final
@define(eq=False, repr=False)
class NDJSONDecoder(Decoder):
    """Decodes one stream of JSON lines. Every event is given `request_id` and `dialect`; its type is ``message``.

    A line ends with LF or CRLF; a CR elsewhere is whitespace. `max_event_size` limits the bytes of a line without its
    end. Blank lines are keep-alives.
    """

    max_event_size: int = MAX_EVENT_SIZE
    request_id: str = field(default="", kw_only=True)
    dialect: Typing | None = field(default=None, kw_only=True)
    comments: int = field(default=0, init=False)
    """The number of complete blank lines."""
    error: StreamError | None = field(default=None, init=False)
    """The error that ended decoding for good; None while it goes on."""

    _start: bytes | None = field(default=b"", init=False)  # the first bytes: a BOM or not; None once that is known
    _line: bytearray = field(factory=bytearray, init=False)  # the unfinished line

    @property
    def at_boundary(self) -> bool:
        """Whether no line is unfinished."""
        return not self._line and not self._start

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes.

        Raises EventTooLargeError if a line exceeds the limit, and on every call after that. If other events were
        complete before it, they are returned and the next call raises.
        """
        if self.error is not None:
            raise self.error.with_traceback(None)
        events: list[Event] = []
        if self._start is not None:
            data = self._without_bom(self._start + data)
        try:
            self._decode(data, events)
        except EventTooLargeError as error:
            self.error = error.with_traceback(None)  # the frames in it would keep the bytes alive
            self._line.clear()
            if not events:
                raise self.error from None
        return events

    def close(self) -> list[Event]:
        """End the stream. Returns the last line if it has no LF and is a whole JSON object or array.

        Any other unfinished line is discarded: of a number, the end cannot be told. Raises the EventTooLargeError that
        ended decoding, if any.
        """
        if self.error is not None:
            raise self.error.with_traceback(None)
        last = Event("message", bytes(self._line).removesuffix(b"\r"), "", self.request_id, self.dialect)
        self._line.clear()
        self._start = None
        try:
            whole = isinstance(last.json(), dict | list)
        except StreamError:
            whole = False
        return [last] if whole else []

    def _without_bom(self, start: bytes) -> bytes:
        # RFC 8259 §8.1: a parser "MAY ignore the presence of a byte order mark rather than treating it as an error".
        if start != _BOM and _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)

    def _decode(self, data: bytes, events: list[Event]) -> None:
        *lines, rest = data.split(b"\n")
        if lines and self._line:
            self._line += lines[0]
            lines[0] = bytes(self._line)
            self._line.clear()
        limit, request_id, dialect = self.max_event_size, self.request_id, self.dialect
        for line in lines:
            if line.endswith(b"\r"):
                line = line[:-1]
            if len(line) > limit:
                raise too_large(self.max_event_size, self.request_id, what="a line")
            if line.startswith(b"{") or line.strip(_WHITESPACE):
                events.append(Event("message", line, "", request_id, dialect))
            else:
                self.comments += 1
        if rest:
            self._keep(rest)

    def _keep(self, rest: bytes) -> None:
        self._line += rest
        if len(self._line) - (self._line[-1] == _CR) > self.max_event_size:  # the CR may belong to the line end
            raise too_large(self.max_event_size, self.request_id, what="a line")
