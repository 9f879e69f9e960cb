"""Streams that are not SSE: lines of JSON, binary messages and whole JSON go through the same engine and relay."""

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import (
    Client,
    ContentTypeError,
    Dialect,
    Event,
    NetworkError,
    OverloadedError,
    Plugin,
    Replay,
    StreamError,
)
from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, TERMINAL, Kind
from unbroken.errors import TruncatedStreamError
from unbroken.framing import Decoder, Framing, Limits
from unbroken.framings import AWS_EVENTS, JSON_BODY, NDJSON, SSE
from unbroken.relay import Relay
from unbroken.testing import Answer, FakeClock, ScriptedTransport

from ..kit import Retry
from .relaying import ASK

AWS = "application/vnd.amazon.eventstream"
LINES = "application/x-ndjson"
FRAMINGS = {"text/event-stream": SSE, LINES: NDJSON, AWS: AWS_EVENTS}
KINDS: dict[str, Kind] = {"done": TERMINAL, "error": ERROR, "text": CONTENT, "ping": KEEPALIVE}


class Told(Dialect):
    """What an event is stands in its data: ``{"text": …}``, ``{"done": true}``, ``{"error": …}``."""

    name = "told"
    has_terminal_event = True

    def classify(self, event: Event) -> Kind:
        return next((kind for name, kind in KINDS.items() if name in event), KEEPALIVE)

    def error_from_event(self, event: Event) -> OverloadedError:
        return OverloadedError(str(event.get("error")))

    def text(self, event: Event) -> str | None:
        return event.get("text")


def told(media_type: str) -> Told:
    class Written(Told):
        framings = MappingProxyType({media_type: FRAMINGS.get(media_type, JSON_BODY)})

    return Written()


def written(framing: Framing, *data: dict[str, Any]) -> bytes:
    return b"".join(framing.encode(Event.make("chunk", each)) for each in data)


def answer(media_type: str, *body: Any) -> Answer:
    return Answer(headers={"content-type": media_type} if media_type else {}, body=body)


def play(dialect: Dialect, *script: Answer, plugins: Any = (), **options: Any) -> tuple[list[str | None], Any, Any]:
    """Return the texts of a call, its stream and the transport."""
    clock = FakeClock()
    transport = ScriptedTransport([*script], clock)
    client = Client([*plugins], dialect=dialect, clock=clock, transport=transport, **options)
    stream = client.stream("POST", ASK.url, json={})
    with stream:
        texts = [stream.text_of(event) for event in stream]
    return texts, stream, transport


def relay(dialect: Dialect, *script: Answer, plugins: Any = ()) -> tuple[list[bytes], Any, Exception | None]:
    """Return the pieces of a call, its stream and its error."""
    clock = FakeClock()
    transport = ScriptedTransport([*script], clock)
    stream = Relay([*plugins], dialect=dialect, clock=clock, transport=transport).stream(ASK)
    pieces: list[bytes] = []
    try:
        with stream:
            pieces.extend(piece.raw for piece in stream)
    except Exception as error:
        return pieces, stream, error
    return pieces, stream, None


kinds = pytest.mark.parametrize("kind", [*FRAMINGS])
_TEXTS = st.text("ab\n\r \u2028é", max_size=4)


@kinds
def test_a_stream_is_asked_for_in_its_media_type(kind):
    """``Accept`` names what the dialect can read, unless the caller has one of their own."""
    body = written(FRAMINGS[kind], {"text": "a"}, {"done": True})
    texts, _, transport = play(told(kind), answer(kind, body))
    assert texts == ["a", None]
    assert transport.requests[0].headers["accept"] == kind
    _, _, transport = play(told(kind), answer(kind, body), headers={"Accept": "x/y"})
    assert transport.requests[0].headers["accept"] == "x/y"


@kinds
def test_another_media_type_is_an_error_that_names_the_expected_one(kind):
    with pytest.raises(ContentTypeError, match=f"expected {kind}, got text/plain"):
        play(told(kind), answer("text/plain", b"hello"))


@kinds
def test_without_a_content_type_the_first_bytes_tell(kind):
    body = written(FRAMINGS[kind], {"text": "a"}, {"done": True})
    texts, _, _ = play(told(kind), answer("", *(bytes([byte]) for byte in body)))
    assert texts == ["a", None]
    with pytest.raises(ContentTypeError):
        play(told(kind), answer("", b"<html>a page that is long enough</html>"))


@kinds
def test_a_stream_without_its_proof_is_cut(kind):
    with pytest.raises(TruncatedStreamError):
        play(told(kind), answer(kind, written(FRAMINGS[kind], {"text": "a"})))


@kinds
def test_an_error_before_the_first_content_is_retried(kind):
    framing = FRAMINGS[kind]
    failed = answer(kind, written(framing, {"ping": 1}, {"error": "busy"}))
    texts, stream, _ = play(
        told(kind), failed, answer(kind, written(framing, {"text": "b"}, {"done": True})), plugins=[Retry()]
    )
    assert texts == ["b", None]
    assert stream.history[0].error == "OverloadedError"


@kinds
@given(texts=st.lists(_TEXTS, max_size=4), data=st.data())
def test_a_relay_hands_on_the_bytes_up_to_the_proof(kind, texts, data):
    """Whole events at a time, whatever the cuts; what follows the proof is not handed on."""
    framing = FRAMINGS[kind]
    body = written(framing, *({"text": text} for text in texts), {"done": True})
    behind = data.draw(st.sampled_from([b"", written(framing, {"text": "late"}), b"\xff\x00garbage"]))
    pieces, stream, error = relay(told(kind), answer(kind, *cuts(data, body + behind)))
    assert (error, stream.outcome.status) == (None, "success")
    assert b"".join(pieces) == body
    decoder = framing.decoder(10**6)
    for piece in pieces:
        decoder.feed(piece)
        assert decoder.at_boundary


@kinds
@given(texts=st.lists(_TEXTS, min_size=1, max_size=4), data=st.data())
def test_before_a_failure_a_relay_hands_on_whole_events(kind, texts, data):
    framing = FRAMINGS[kind]
    good = written(framing, *({"text": text} for text in texts))
    bad = data.draw(st.sampled_from([written(framing, {"error": "x"}), NetworkError("reset")]))
    pieces, _, error = relay(told(kind), answer(kind, *cuts(data, good), bad))
    assert error is not None
    assert b"".join(pieces) == good


@kinds
def test_what_plugins_change_or_replay_is_written_in_the_same_framing(kind):
    framing = FRAMINGS[kind]

    class Louder(Plugin):
        def on_event(self, call, event):
            return event.replace(raw=event.raw.replace(b"a", b"A"))

    class Kept(Plugin):
        def before_request(self, call, request):
            return Replay([Event.make("chunk", {"text": "k"}), Event.make("chunk", {"done": True})])

    body = written(framing, {"text": "a"}, {"done": True})
    pieces, _, _ = relay(told(kind), answer(kind, body), plugins=[Louder()])
    assert next(iter(framing.decoder(9999).feed(b"".join(pieces)))).json() == {"text": "A"}
    pieces, _, _ = relay(told(kind), plugins=[Kept()])
    assert [event.json() for event in framing.decoder(999).feed(b"".join(pieces))] == [{"text": "k"}, {"done": True}]


@pytest.mark.parametrize("last", [b'{"done": 1}', b'{"done": 1}\r', b'{"text": "b"}\n{"done": 1}'])
def test_the_last_line_of_json_needs_no_line_end(last):
    """A body that ends normally behind whole JSON has not lost any of it."""
    body = b'{"text": "a"}\n' + last
    texts, _, _ = play(told(LINES), answer(LINES, body))
    assert texts[0] == "a"
    pieces, _, error = relay(told(LINES), answer(LINES, body))
    assert (error, b"".join(pieces)) == (None, body)


def test_the_last_line_may_tell_an_error():
    """It is not handed on; what came before is."""
    body = b'{"text": "a"}\n{"error": "busy"}'
    pieces, _, error = relay(told(LINES), answer(LINES, body))
    assert (type(error), pieces) == (OverloadedError, [b'{"text": "a"}\n'])
    with pytest.raises(TruncatedStreamError):
        play(told(LINES), answer(LINES, b'{"text": "a"}\n{"done": '))


def test_a_stream_of_lines_may_say_its_first_content_at_the_end():
    """Then it is held no longer, and counted as content."""
    texts, stream, _ = play(told(LINES), answer(LINES, b'{"ping": 1}\n{"text": "a", "done": 1}'))
    assert texts == [None, "a"]
    assert stream.call.first_content_at is not None


def test_blank_lines_without_end_are_kept_within_a_bound():
    """They are keep-alives, and a relay holds them until the commit."""
    blank = b" \r\n" * 100_000
    whole = b'{"ping": 1}\n'
    kept, size = NDJSON.without_keepalives(bytearray(blank + whole + blank + b" "), len(blank + whole + blank))
    assert (kept, size) == (whole + b" ", len(whole))


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_answer_may_be_whole_json(size):
    """A server that may answer either way; the media type tells which."""

    class Either(Told):
        framings = MappingProxyType({"application/json": JSON_BODY, "text/event-stream": SSE})

    body = b'\xef\xbb\xbf {"text": "a\xc3\xa9", "done": 1}\n'
    chunks = [body[place : place + size] for place in range(0, len(body), size)]
    texts, _, transport = play(Either(), answer("application/json; charset=utf-8", *chunks))
    assert texts == ["aé"]
    assert transport.requests[0].headers["accept"] == "application/json, text/event-stream"
    assert b"".join(relay(Either(), answer("application/json", *chunks))[0]) == body
    assert b"".join(relay(Either(), answer("", *chunks))[0]) == body
    texts, _, _ = play(Either(), answer("text/event-stream", b'data: {"text": "b", "done": 1}\n\n'))
    assert texts == ["b"]


@pytest.mark.parametrize("body", [b"", b'{"text": ', b"7", b"null"], ids=["empty", "cut", "number", "null"])
def test_whole_json_that_is_cut_is_no_answer(body):
    with pytest.raises(TruncatedStreamError):
        play(told("application/json"), answer("application/json", body))


def test_whole_json_is_bounded():
    big = answer("application/json", b'{"text": "', b"x" * 2000, b'"}')
    with pytest.raises(StreamError, match="larger than 1000 bytes"):
        play(told("application/json"), big, max_event_size=1000)
    decoder = JSON_BODY.decoder(4)
    assert decoder.at_boundary
    decoder.feed(b"[1]")
    assert not decoder.at_boundary
    assert JSON_BODY.unit_end(bytearray(b"[1]"), 0) == 0
    for use in (lambda: decoder.feed(b"12"), lambda: decoder.feed(b""), decoder.close):
        with pytest.raises(StreamError):
            use()


def test_a_dialect_may_bring_a_decoder_of_its_own():
    """The limits of the client and the head of the answer are there when it is made."""
    seen: list[Any] = []

    class Own(Told):
        framings = MappingProxyType({LINES: NDJSON})

        def decoder(self, limits: Limits, call: Any) -> Decoder:
            seen.append((limits.max_event_size, call.response.headers["content-type"]))
            return super().decoder(limits, call)

    texts, _, _ = play(Own(), answer(LINES, b'{"done": 1}\n'), max_event_size=77)
    assert (texts, seen) == ([None], [(77, LINES)])


@pytest.mark.parametrize("kind", [Decoder, Framing])
def test_a_decoder_or_framing_without_its_parts_cannot_be_made(kind):
    """Its author learns of it at once, and not from the first stream."""

    class Unfinished(kind):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()


def test_a_decoder_of_events_alone_is_enough():
    """Ids, comments and stray JSON are those of SSE."""

    class Plain(Decoder):
        at_boundary = True

        def feed(self, data):
            return [Event(raw=data)]

        def close(self):
            return []

    decoder = Plain()
    assert (decoder.unfinished(), decoder.bare_json(), decoder.continue_from("7")) == (None, b"", None)
    assert (decoder.retry, decoder.comments, decoder.last_event_id, decoder.error) == (None, 0, "", None)


def cuts(data: st.DataObject, body: bytes) -> list[bytes]:
    places = sorted(data.draw(st.sets(st.integers(1, max(1, len(body) - 1)), max_size=8)))
    return [chunk for chunk in map(body.__getitem__, map(slice, [0, *places], [*places, len(body)])) if chunk]


def test_a_framing_without_keepalives_keeps_all():
    """Binary messages and a whole document have none, and a document is written as it is."""
    for framing in (AWS_EVENTS, JSON_BODY):
        assert framing.without_keepalives(bytearray(b"abc"), 2) == (b"abc", 2)
    assert JSON_BODY.encode(Event.make("message", {"a": 1})) == b'{"a":1}'
