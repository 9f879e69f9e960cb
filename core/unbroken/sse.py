"""A sans-IO incremental decoder of ``text/event-stream``: bytes in, events out.

It follows the WHATWG HTML standard, §9.2.5 and §9.2.6; each rule is quoted beside the code that implements it.
Lines and fields are split as bytes, and text is decoded on request. That is safe because line ends, colons and field
names are ASCII, and a UTF-8 decoder never makes an ASCII byte part of another character, even in invalid input.
"""

import re
from typing import Final, final

from attrs import define, field

from .errors import EventTooLargeError, StreamError
from .framing import MAX_EVENT_SIZE, Decoder, too_large
from .messages import Event, Typing

MAX_RETRY: Final = 24 * 60 * 60 * 1000
"""The longest reconnection time that is accepted, in milliseconds: one day."""

_BOM: Final = b"\xef\xbb\xbf"
_LF, _CR, _NUL = b"\n\r\0"  # as ints: `10 in data` takes an eighth of the time of `b"\n" in data`
_NAMES: Final = frozenset({b"data", b"event", b"id", b"retry"})
_KNOWN: Final = tuple(name + b":" for name in _NAMES)
_FIRST_FIELD: Final = re.compile(rb"(?:data|event|id|retry)?:|(?:data|event|id|retry)[\r\n]")
_TELLING: Final = max(map(len, _KNOWN))  # so many bytes of a line tell whether its field is a known one
_MAX_TYPES: Final = 256
_MAX_BARE: Final = 64 * 1024
_JSON: Final = (b"{", b"[")
_MAX_TYPE_LENGTH: Final = 64

# What stands before ``data:`` in an ordinary block, and the event type that it stands for: learned by all decoders.
_TYPES: Final[dict[bytes, str]] = {b"": "message"}


def begins_stream(start: bytes) -> bool | None:
    """Return whether a body that begins with `start` is an event stream, None if more bytes are needed to tell.

    It is one if its first line that is not blank is a comment or has a known field.
    """
    line = start.removeprefix(_BOM).lstrip(b"\r\n")
    if not line or _BOM.startswith(line):
        return None
    match = _FIRST_FIELD.match(line)
    if match is not None:
        return True
    return None if any(known.startswith(line) for known in _KNOWN) else False


def encode(event: Event) -> bytes:
    """Return `event` as ``text/event-stream``, such that a decoder makes an equal event of it (of a CR, an LF)."""
    kind = b"" if event.type == "message" else b"event: %b\n" % event.type.encode()
    id = b"id: %b\n" % event.id.encode() if event.id else b""
    data = event.raw if _CR not in event.raw else event.raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b"%b%bdata: %b\n\n" % (kind, id, data.replace(b"\n", b"\ndata: "))


@final
@define(eq=False, repr=False)
class SSEDecoder(Decoder):
    """Decodes one event stream. Every event is given `request_id` and `dialect`.

    `max_event_size` limits the bytes of the ``data``, ``event``, ``id`` and ``retry`` lines of one block, without their
    line ends. Comments and unknown fields are discarded as they arrive and do not count.
    """

    max_event_size: int = MAX_EVENT_SIZE
    request_id: str = field(default="", kw_only=True)
    dialect: Typing | None = field(default=None, kw_only=True)
    last_event_id: str = field(default="", init=False)
    """The last event id as of the last complete block: the place from which to resume."""
    retry: int | None = field(default=None, init=False)
    """The reconnection time that the server asked for, in milliseconds, at most `MAX_RETRY`."""
    comments: int = field(default=0, init=False)
    """The number of complete comment lines."""
    error: StreamError | None = field(default=None, init=False)
    """The error that ended decoding for good; None while it goes on."""

    has_bare_json: bool = field(default=False, init=False)
    """Whether a line that begins like JSON has stood outside of any field since the last event (see `bare_json`)."""

    _bare: bytearray = field(factory=bytearray, init=False)  # the finished lines of it
    _start: bytes | None = field(default=b"", init=False)  # the first bytes: a BOM or not; None once that is known
    _after_cr: bool = field(default=False, init=False)
    _line: bytearray = field(factory=bytearray, init=False)  # the unfinished line
    _size: int = field(default=0, init=False)  # bytes of the finished lines of known fields in this block
    # "a data buffer, an event type buffer, and a last event ID buffer must be associated with it"
    _data: bytearray = field(factory=bytearray, init=False)
    _type: str = field(default="message", init=False)
    _id: str = field(default="", init=False)

    @property
    def at_boundary(self) -> bool:
        """Whether no event and no line is unfinished."""
        return not self._line and not self._size and self._start is None

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes.

        Raises EventTooLargeError if an event exceeds the limit, and on every call after that. If other events were
        complete before it, they are returned and the next call raises.
        """
        if self.error is not None:
            raise self.error.with_traceback(None)
        events: list[Event] = []
        try:
            if self._start is not None:
                data = self._without_bom(self._start + data)
            if data:
                self._decode(self._with_lf(data), events)
        except EventTooLargeError as error:
            self.error = error.with_traceback(None)  # the frames in it would keep the bytes alive
            self._discard()
            if not events:
                raise self.error from None
        return events

    def unfinished(self) -> Event | None:
        """Return the event that a line end and a blank line would complete, None if there is none.

        It may be only the start of what the server meant to send, so no stream is given it.
        """
        name, _, value = bytes(self._line).partition(b":")
        data = bytes(self._data) + (value.removeprefix(b" ") if name == b"data" else b"")
        return Event(self._type, data.removesuffix(b"\n"), self._id, self.request_id, self.dialect) if data else None

    def close(self) -> list[Event]:
        """End the stream, discard incomplete data and return no event. Raises the error that ended decoding, if any."""
        # "Once the end of the file is reached, any pending data must be discarded."
        self._discard()
        if self.error is not None:
            raise self.error.with_traceback(None)
        return []

    def continue_from(self, last_event_id: str) -> None:
        """Take `last_event_id` for the last event id until the stream has another."""
        self.last_event_id = self._id = last_event_id

    def bare_json(self) -> bytes:
        """Return the lines from one that begins like JSON on, at most 64 KiB, without those of an event.

        A decoder ignores them, as the standard says; a gateway that fails may send its JSON error so.
        """
        return bytes(self._bare + self._line)[:_MAX_BARE]

    def _discard(self) -> None:
        self._line.clear()
        self._bare.clear()
        self._data.clear()

    def _without_bom(self, start: bytes) -> bytes:
        # §9.2.6: "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."
        if _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)

    def _with_lf(self, data: bytes) -> bytes:
        # §9.2.5: "end-of-line = ( cr lf / cr / lf )". A CR ends its line at once, and an LF that follows it is
        # dropped. Waiting to see whether an LF follows would hold back a complete event.
        after_cr, self._after_cr = self._after_cr, data.endswith(b"\r")
        if after_cr:
            data = data.removeprefix(b"\n")
        if _CR in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _decode(self, data: bytes, events: list[Event]) -> None:
        *blocks, rest = data.split(b"\n\n")
        if blocks and (self._line or self._size):
            self._read_lines(blocks.pop(0) + b"\n\n", events)
        request_id, dialect = self.request_id, self.dialect
        for block in blocks:
            # A shortcut for ordinary blocks: one data line, perhaps after an event line that is in `_types`.
            head, found, value = block.partition(b"data:")
            type = _TYPES.get(head)
            if type is not None and found and _LF not in value and len(block) <= self.max_event_size:
                events.append(Event(type, value.removeprefix(b" "), self._id, request_id, dialect))
            else:
                self._read_lines(block + b"\n\n", events)
        if rest:
            self._read_lines(rest, events)

    def _read_lines(self, data: bytes, events: list[Event]) -> None:
        *lines, rest = data.split(b"\n")
        if lines and self._line:
            lines[0] = bytes(self._line) + lines[0]
            self._line.clear()
        for line in lines:
            # With a colon, the field name is what stands "before the first U+003A COLON" and the value is the rest;
            # without one, "using the whole line as the field name, and the empty string as the field value".
            name, _, value = line.partition(b":")
            if name in _NAMES:  # "compared literally, with no case folding performed"
                self._size += len(line)
                if self._size > self.max_event_size:
                    raise too_large(self.max_event_size, self.request_id)
                # "If value starts with a U+0020 SPACE character, remove it from value."
                self._read_field(line, name, value.removeprefix(b" "))
            elif not line:
                self._dispatch(events)  # "If the line is empty (a blank line)"
            elif not name:
                self.comments += 1  # "If the line starts with a U+003A COLON character (:) Ignore the line."
            elif self._is_bare(name):
                self._bare += (line + b"\n")[: _MAX_BARE - len(self._bare)]
        if rest:
            self._keep(rest)

    def _keep(self, rest: bytes) -> None:
        self._line += rest
        if not self._line.startswith(_KNOWN):
            del self._line[_MAX_BARE if self._is_bare(self._line[:_TELLING]) else _TELLING :]
        elif self._size + len(self._line) > self.max_event_size:
            raise too_large(self.max_event_size, self.request_id)

    def _is_bare(self, start: bytes | bytearray) -> bool:
        self.has_bare_json = self.has_bare_json or start.lstrip()[:1] in _JSON
        return self.has_bare_json

    def _read_field(self, line: bytes, name: bytes, value: bytes) -> None:
        if name == b"data":
            # "Append the field value to the data buffer, then append a single U+000A LINE FEED".
            self._data += value
            self._data += b"\n"
        elif name == b"event":
            # "Set the event type buffer to field value", decoded once per line of the ordinary kind.
            self._type = _TYPES.get(line + b"\n") or self._decode_type(line + b"\n", value)
        elif name == b"id":
            # "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the
            # field value. Otherwise, ignore the field."
            if _NUL not in value:
                self._id = value.decode("utf-8", "replace")
        elif value.isdigit():
            # "If the field value consists of only ASCII digits, then interpret the field value as an integer
            # in base ten, and set the event stream's reconnection time to that integer."
            digits = value.lstrip(b"0")[:20]  # int() raises for more than 4300 digits
            self.retry = min(int(digits or b"0"), MAX_RETRY)

    def _decode_type(self, head: bytes, value: bytes) -> str:
        # Step 6 of dispatching replaces "message" only by "a value other than the empty string".
        type = value.decode("utf-8", "replace") or "message"
        if len(head) <= _MAX_TYPE_LENGTH and len(_TYPES) < _MAX_TYPES:
            _TYPES[head] = type
        return type

    def _dispatch(self, events: list[Event]) -> None:
        # 1. "Set the last event ID string of the event source to the value of the last event ID buffer. The
        # buffer does not get reset".
        self.last_event_id = self._id
        # 2. "If the data buffer is an empty string, set the data buffer and the event type buffer to the
        # empty string and return."
        if self._data:
            # 3. "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove" it.
            self._data.pop()
            events.append(Event(self._type, bytes(self._data), self._id, self.request_id, self.dialect))
            self.has_bare_json = False
            self._bare.clear()
        # 7. "Set the data buffer and the event type buffer to the empty string."
        self._data.clear()
        self._type = "message"
        self._size = 0
