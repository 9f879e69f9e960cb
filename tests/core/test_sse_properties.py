"""The SSE decoder against arbitrary bytes, arbitrary cuts and a slow reading of the standard."""

import re

from attrs import define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from unbroken.errors import EventTooLargeError
from unbroken.messages import Event
from unbroken.sse import MAX_RETRY, SSEDecoder, encode

FRAGMENTS = [
    *(
        b"data",
        b"data:",
        b"data: ",
        b"event",
        b"event:",
        b"event: ",
        b"id",
        b"id:",
        b"id: ",
        b"retry",
        b"retry: ",
    ),
    *(b":", b": ping", b" ", b"a", b"x:y", b"1", b"10", b"-1", b"9" * 26, b"0", b"\0", b"\v", b"\x1c"),
    *(b"\n", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\r", b"\r\n\r\n", b"\n\r"),
    *(b"\xef\xbb\xbf", b"\xef\xbb", b"\xe2\x82\xac", b"\xe2\x82", b"\xff", b"\xc2\x85", b"\xe2\x80\xa8"),
    *(
        b"data: a\n\n",
        b"event: x\ndata: {}\n\n",
        b"event: x\r\ndata: {}\r\n\r\n",
        b"event: x\ndata: data: b\n\n",
    ),
    *(
        b"id: 7\n\n",
        b"event: ghost\n\n",
        b"retry: 50\n",
        b"unknown: x\n",
        b"Data: x\n",
        b"datax",
        b"eventually",
    ),
]

streams = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=3)), max_size=30).map(b"".join)


@st.composite
def cut_streams(draw: st.DrawFn) -> list[bytes]:
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@frozen
class Result:
    events: list[tuple[str, str, str]]
    last_event_id: str
    retry: int | None
    comments: int


@define
class Reference:
    """The standard word by word: the whole stream as text, then as lines, then as fields."""

    events: list[tuple[str, str, str]] = field(factory=list)
    last_event_id: str = ""
    retry: int | None = None
    comments: int = 0
    data: str = ""
    event_type: str = ""
    id: str = ""

    def interpret(self, stream: bytes) -> Result:
        text = stream.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        for line in re.split("\r\n|\n|\r", text)[:-1]:
            if line == "":
                self.dispatch()
            elif line[0] == ":":
                self.comments += 1
            elif ":" in line:
                name, value = line.split(":", 1)
                self.process(name, value[1:] if value[:1] == " " else value)
            else:
                self.process(line, "")
        return Result(self.events, self.last_event_id, self.retry, self.comments)

    def process(self, name: str, value: str) -> None:
        if name == "event":
            self.event_type = value
        elif name == "data":
            self.data += value + "\n"
        elif name == "id" and "\0" not in value:
            self.id = value
        elif name == "retry" and re.fullmatch("[0-9]+", value):
            self.retry = min(int(value), MAX_RETRY)

    def dispatch(self) -> None:
        self.last_event_id = self.id
        if self.data:
            self.events.append((self.event_type or "message", self.data[:-1], self.id))
        self.data = self.event_type = ""


def first_too_large(stream: bytes, limit: int) -> bool:
    """Say whether any block of `stream`, finished or not, has more than `limit` bytes in known lines."""
    *lines, rest = re.split(b"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))
    known = re.compile(b"(data|event|id|retry)(:|$)")
    if not re.match(b"(data|event|id|retry):", rest):
        rest = b"?"
    size = 0
    for line in [*lines, rest]:
        size = 0 if line == b"" else size + len(line) * bool(known.match(line))
        if size > limit:
            return True
    return False


def decoded(decoder: SSEDecoder, chunks: list[bytes]) -> Result:
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return Result(
        [(event.type, event.data, event.id) for event in events],
        decoder.last_event_id,
        decoder.retry,
        decoder.comments,
    )


@settings(max_examples=400, deadline=None)
@given(cut_streams())
def test_any_stream_in_any_chunks_is_read_as_the_standard_says(chunks: list[bytes]) -> None:
    """Every byte string, however cut, gives the events, cursor, retry and comments of the reference."""
    assert decoded(SSEDecoder(), chunks) == Reference().interpret(b"".join(chunks))


@settings(max_examples=100, deadline=None)
@given(streams)
def test_every_byte_has_its_effect_at_once(stream: bytes) -> None:
    """After each byte the decoder has said all that the bytes so far mean, never less and never twice."""
    decoder = SSEDecoder()
    events: list[tuple[str, str, str]] = []
    for end in range(1, len(stream) + 1):
        events += decoded(decoder, [stream[end - 1 : end]]).events
        assert events == Reference().interpret(stream[:end]).events


def until_too_large(chunks: list[bytes], limit: int) -> tuple[Result, bool]:
    decoder = SSEDecoder(limit)
    events: list[tuple[str, str, str]] = []
    try:
        for chunk in chunks:
            events += decoded(decoder, [chunk]).events
        decoder.close()
    except EventTooLargeError:
        pass
    result = Result(events, decoder.last_event_id, decoder.retry, decoder.comments)
    return result, decoder.error is not None


@settings(max_examples=400, deadline=None)
@given(cut_streams(), st.integers(0, 40))
def test_limit_does_not_depend_on_the_cuts(chunks: list[bytes], limit: int) -> None:
    """Whether the limit is hit, and all that was decoded before, is the same for every chunking."""
    stream = b"".join(chunks)
    whole = until_too_large([stream], limit)
    assert until_too_large(chunks, limit) == whole
    assert until_too_large([stream[i : i + 1] for i in range(len(stream))], limit) == whole
    assert whole[1] == first_too_large(stream, limit)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=12))
def test_arbitrary_bytes_never_raise(chunks: list[bytes]) -> None:
    """Noise without any syntax in it decodes too, and as the reference has it."""
    assert decoded(SSEDecoder(), chunks) == Reference().interpret(b"".join(chunks))


@given(
    kind=st.text().filter(lambda text: not {"\r", "\n"} & {*text}),
    data=st.binary() | st.text().map(str.encode),
    id=st.text().filter(lambda text: not {"\r", "\n", "\0"} & {*text}),
)
def test_an_encoded_event_is_decoded_as_the_same(kind: str, data: bytes, id: str) -> None:
    """Whatever is in it. Of a CR in the data an LF is made, as there is no other way to write it."""
    (event,) = SSEDecoder().feed(encode(Event(kind, data, id)))
    assert (event.type, event.id) == (kind or "message", id)
    assert event.raw == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
