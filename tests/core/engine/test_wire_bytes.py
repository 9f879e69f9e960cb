"""Property tests of the bytes that a relay hands on: those of the server, whole events at a time, whatever the cuts."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import OverloadedError
from unbroken._engine import wire_bytes
from unbroken._engine.wire_bytes import WireBytes
from unbroken.relay import Relay
from unbroken.sse import SSEDecoder
from unbroken.testing import Answer, FakeClock, ScriptedTransport

from ..kit import KINDS, Talk
from .relaying import ASK, decoded

BOM = b"\xef\xbb\xbf"
TERMINAL = b"event: message_stop\ndata: {}\n\n"
ERROR = b'event: error\ndata: {"error": {"type": "overloaded_error"}}\n\n'
_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
_TEXT = st.sampled_from([b"{}", b"", b" x", b"a:b", "\u2028é".encode(), b"\xff", b"[DONE]", BOM + b"data: y"])
_NAMES = st.sampled_from([name.encode() for name in KINDS if name not in ("message_stop", "error")])


@st.composite
def _lines(draw: st.DrawFn) -> list[bytes]:
    """The lines of a block, the last of which is blank."""
    kind = draw(st.sampled_from(["event", "event", "event", "comment", "retry", "id", "unknown", "blank", "bom"]))
    if kind == "event":
        names = draw(st.lists(st.builds(b"event: %b".__mod__, _NAMES), max_size=1))
        within = draw(st.lists(st.sampled_from([b": c", b"x: y", b"retry: 5", b"id: 7", b"x"]), max_size=2))
        data = draw(st.lists(st.builds(b"data:%b".__mod__, _TEXT), min_size=1, max_size=2))
        return [*draw(st.permutations([*names, *within, *data])), b""]
    lines = {"comment": b": ping", "retry": b"retry: 10", "id": b"id: 3", "unknown": b"x:y", "bom": BOM + b"data: z"}
    return [lines.get(kind, b""), *([b""] if draw(st.booleans()) else [])]


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A stream up to and including its terminal event, and garbage behind that."""
    lines = [line for block in draw(st.lists(_lines(), max_size=6)) for line in block]
    lines += [b"", b"event: message_stop", b"data: {}", b""]
    text = b""
    for line in lines:
        end = draw(_ENDS)
        if not line and text.endswith(b"\r") and end == b"\n":
            end = b"\r\n"  # otherwise it would be the other half of a CRLF
        text += line + end
    behind = draw(st.sampled_from([b"", b"data: more\n\n", b"\x00\xff", ERROR, b"\n\n\n", b": c\n\n"]))
    if behind.startswith(b"\n") and text.endswith(b"\r"):
        behind = b"x" + behind
    return draw(st.sampled_from([b"", BOM])) + text, behind


def cuts(data: st.DataObject, body: bytes) -> list[bytes]:
    places = sorted(data.draw(st.sets(st.integers(1, max(1, len(body) - 1)), max_size=12)))
    return [chunk for chunk in map(body.__getitem__, map(slice, [0, *places], [*places, len(body)])) if chunk]


def relayed(chunks: list[bytes], **options: Any) -> tuple[list[bytes], Any]:
    """Return the pieces of a sync call, and its stream."""
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=chunks)], clock)
    relay = Relay([], dialect=Talk(), clock=clock, transport=transport, **options)
    pieces: list[bytes] = []
    with relay.stream(ASK) as stream:
        pieces += [piece.raw for piece in stream]
    return pieces, stream


def expect_whole(pieces: list[bytes]) -> None:
    """No piece may end within an event: a decoder stands at a boundary behind each."""
    decoder = SSEDecoder()
    for piece in pieces:
        decoder.feed(piece)
        assert decoder.at_boundary
    assert all(pieces)


@given(body=bodies(), commit=st.sampled_from(["content", "first-event", "complete"]), data=st.data())
def test_the_pieces_are_the_bytes_of_the_server_up_to_the_proof(body, commit, data) -> None:
    """For every cut and all line ends. Where a cut parts the very last CRLF, its LF is behind the proof."""
    text, behind = body
    pieces, stream = relayed(cuts(data, text + behind), commit=commit)
    joined = b"".join(pieces)
    assert joined == text or (text.endswith(b"\r\n") and joined == text[:-1])
    assert stream.outcome.status == "success"
    expect_whole(pieces)


@given(body=bodies(), data=st.data())
def test_a_stream_that_ends_by_itself_is_handed_on_to_its_last_byte(body, data) -> None:
    """Plain SSE has no terminal event; what is unfinished at the end is the consumer's to judge."""
    text = b"".join(body)
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=cuts(data, text))], clock)
    relay = Relay([], clock=clock, transport=transport)
    with relay.stream(ASK) as stream:
        pieces = [piece.raw for piece in stream]
    assert b"".join(pieces) == text
    expect_whole(pieces[:-1])


@given(body=bodies(), commit=st.sampled_from(["content", "first-event"]), data=st.data())
def test_what_was_delivered_before_a_failure_is_whole_events(body, commit, data) -> None:
    """And none of the bytes of the event that reports it, so that another can be told behind them."""
    text, _ = body
    good = text[: text.rindex(b"event: message_stop")]
    chunks = cuts(data, good + ERROR)
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=chunks)], clock)
    relay = Relay([], dialect=Talk(), clock=clock, transport=transport, commit=commit)
    pieces: list[bytes] = []
    stream = relay.stream(ASK)
    with pytest.raises(OverloadedError), stream:
        pieces.extend(piece.raw for piece in stream)
    assert good.startswith(b"".join(pieces))
    expect_whole(pieces)
    assert stream.failed_by.type == "error"
    assert decoded(b"".join(pieces)) in (decoded(good), [])


KIB = 1024
MIB = 1024 * KIB


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
@pytest.mark.parametrize(
    ("start", "comment"),
    [
        pytest.param(b"", b": ping@@", id="between"),
        pytest.param(b"", b"@", id="blank"),
        pytest.param(BOM + b"data: a@@", b": ping@@", id="behind-one-that-is-held"),
        pytest.param(b"data: a@", b": ping@", id="within-an-event"),
        pytest.param(b"data: a@:", b"x" * 64, id="one-endless-line"),
        pytest.param(b"data: a@@unknown: ", b"data: ", id="one-endless-line-between"),
    ],
)
def test_comments_without_end_are_kept_within_a_bound(start, comment, end, monkeypatch) -> None:
    """And what is left means what it meant."""
    monkeypatch.setattr(wire_bytes, "MOST_COMMENTS", 100 * KIB)
    chance = random.Random(1)
    start, comment = start.replace(b"@", end), comment.replace(b"@", end)
    text = start + comment * (200 * KIB // len(comment)) + end + b"data: b" + end + end
    wire, decoder = WireBytes(0), SSEDecoder()
    place = 0
    while place < len(text):
        chunk = text[place : place + chance.choice([6_000, 6_401])]
        place += len(chunk)
        decoder.feed(chunk)
        wire.take(chunk, at_boundary=decoder.at_boundary)
        wire.bound()
        assert len(wire._kept) < 110 * KIB
    assert decoded(wire.release()) == decoded(text)


@given(body=bodies(), data=st.data())
def test_a_stream_without_its_comments_has_the_same_events(body, data) -> None:
    """However often they are dropped, and wherever the reads end."""
    text, _ = body
    wire, decoder = WireBytes(0), SSEDecoder()
    for chunk in cuts(data, text):
        decoder.feed(chunk)
        wire.take(chunk, at_boundary=decoder.at_boundary)
        wire._limit = 0
        wire.bound()
    wire.end()
    assert decoded(wire.release()) == decoded(text)


def test_an_event_of_many_reads_is_looked_at_once() -> None:
    """The work grows with the bytes, not with their square."""
    looked = 0

    class Counting(bytearray):
        def rfind(self, blank: bytes, start: int = 0) -> int:  # type: ignore[override]
            nonlocal looked
            looked += len(self) - start
            return super().rfind(blank, start)

    wire = WireBytes()
    wire._kept = Counting()
    for _ in range(1000):
        wire.take(b"x" * 100, at_boundary=False)
    assert looked <= 3 * (100_000 + 1000)


def test_the_end_is_found_behind_an_event_of_any_size() -> None:
    """Events may be larger than the default limit of a decoder."""
    event = b"data: " + b"x" * (17 * MIB) + b"\n\n"
    wire = WireBytes()
    wire.take(event + TERMINAL + b"garbage", at_boundary=False)
    wire.end_behind(2)
    assert wire.release() == event + TERMINAL
