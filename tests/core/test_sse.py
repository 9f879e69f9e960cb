"""The SSE decoder against the shared vectors, FAULTS A1-A15 and its own promises."""

import base64
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path

import pytest
from attrs import frozen

from unbroken.dialect import Dialect
from unbroken.errors import EventTooLargeError
from unbroken.messages import Event
from unbroken.sse import MAX_RETRY, SSEDecoder, begins_stream

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sse_vectors.json").read_text())
KIB = 1024


@frozen
class Decoded:
    """All that a stream leaves behind."""

    events: list[tuple[str, str, str]]
    last_event_id: str
    retry: int | None


def decode(chunks: list[bytes], **options) -> Decoded:
    decoder = SSEDecoder(**options)
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    decoder.close()
    return Decoded([(event.type, event.data, event.id) for event in events], decoder.last_event_id, decoder.retry)


def data_of(*chunks: bytes) -> list[str]:
    return [data for _, data, _ in decode(list(chunks)).events]


def one_by_one(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def split_in_two(stream: bytes) -> list[list[bytes]]:
    return [[stream[:cut], stream[cut:]] for cut in range(len(stream) + 1)]


def every_cut(stream: bytes) -> list[list[bytes]]:
    return [[stream], one_by_one(stream), *split_in_two(stream)]


# --- the shared vectors


@pytest.fixture(params=VECTORS, ids=[vector["name"] for vector in VECTORS])
def vector(request: pytest.FixtureRequest) -> dict:
    return request.param


@pytest.fixture
def chunks(vector: dict) -> list[bytes]:
    return [base64.b64decode(chunk) for chunk in vector["chunks"]]


@pytest.fixture
def expected(vector: dict) -> Decoded:
    retry = vector["reconnection_time_ms"]
    return Decoded(
        [(event["event"], event["data"], event["id"]) for event in vector["expected"]],
        vector["last_event_id"],
        None if retry is None else min(retry, MAX_RETRY),
    )


def test_all_shared_vectors_are_here() -> None:
    """The table is complete, so a vector cannot be lost silently."""
    assert len(VECTORS) == 148


def test_vector_in_its_own_chunks(chunks: list[bytes], expected: Decoded) -> None:
    """Each vector decodes as it says, cut where it says."""
    assert decode(chunks) == expected


def test_vector_whole(chunks: list[bytes], expected: Decoded) -> None:
    """Each vector decodes the same from one chunk."""
    assert decode([b"".join(chunks)]) == expected


def test_vector_byte_by_byte(chunks: list[bytes], expected: Decoded) -> None:
    """Each vector decodes the same from chunks of one byte."""
    assert decode(one_by_one(b"".join(chunks))) == expected


def test_vector_split_in_two(chunks: list[bytes], expected: Decoded) -> None:
    """Each vector decodes the same however it is cut in two."""
    for pair in split_in_two(b"".join(chunks)):
        assert decode(pair) == expected, pair


# --- FAULTS A: bytes and SSE


def endless(start: bytes, chunk: bytes) -> Iterator[bytes]:
    return chain([start], repeat(chunk, 1000))


def feed_until_refused(decoder: SSEDecoder, chunks: Iterator[bytes]) -> int:
    fed = 0
    with pytest.raises(EventTooLargeError):  # noqa: PT012
        for chunk in chunks:
            fed += len(chunk)
            decoder.feed(chunk)
    return fed


def peak_memory(action: Callable[[], object]) -> tuple[int, int]:
    """Return the most memory that `action` took, and what it left, in bytes."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        action()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before, after - before


ENDLESS_EVENTS = [
    pytest.param(b"data: ", b"x" * 4 * KIB, id="A1-data-line-without-end"),
    pytest.param(b"", b"data: x\n" * 512, id="A2-data-lines-without-blank-line"),
    pytest.param(b"", b"data\n" * 512, id="A2-empty-data-lines-without-blank-line"),
    pytest.param(b"id: ", b"x" * 4 * KIB, id="A1-id-line-without-end"),
    pytest.param(b"event: ", b"x" * 4 * KIB, id="A1-event-line-without-end"),
    pytest.param(b"retry: ", b"1" * 4 * KIB, id="A1-retry-line-without-end"),
    pytest.param(b"", b"id: x\n" * 512, id="A2-id-lines-without-blank-line"),
    pytest.param(b"", b": ping\ndata: x\n" * 256, id="A2-data-lines-among-comments"),
]


@pytest.mark.parametrize(("start", "chunk"), ENDLESS_EVENTS)
def test_event_without_end_is_refused_at_the_limit(start: bytes, chunk: bytes) -> None:
    """An event that never ends fails as soon as it passes the limit, and says which limit that was."""
    decoder = SSEDecoder(256 * KIB)
    assert 256 * KIB < feed_until_refused(decoder, endless(start, chunk)) < 768 * KIB
    assert decoder.error is not None
    assert decoder.error.limit == 256 * KIB


@pytest.mark.parametrize(("start", "chunk"), ENDLESS_EVENTS)
def test_event_without_end_takes_bounded_memory_and_gives_it_back(start: bytes, chunk: bytes) -> None:
    """Before the refusal memory is a small multiple of the limit, after it next to nothing."""
    decoder = SSEDecoder(256 * KIB)
    peak, left = peak_memory(lambda: feed_until_refused(decoder, endless(start, chunk)))
    assert peak < 768 * KIB
    assert left < 128 * KIB


def test_default_limit_is_16_mebibytes() -> None:
    """A1: the limit when nobody says otherwise; some events repeat a whole answer with its images."""
    fits = b"data: " + b"x" * (16 * KIB * KIB - 6)
    assert len(SSEDecoder().feed(fits + b"\n\n")) == 1
    with pytest.raises(EventTooLargeError):
        SSEDecoder().feed(fits + b"x\n\n")


DISCARDED = [
    pytest.param(b"", b": ping\n" * 512, 512, id="A3-endless-comment-lines"),
    pytest.param(b"", b": ping\n\n" * 512, 512, id="A3-endless-comment-blocks"),
    pytest.param(b": ", b"x" * 4 * KIB, 0, id="A4-comment-without-end"),
    pytest.param(b"dat", b"x" * 4 * KIB, 0, id="A4-unknown-field-without-colon-without-end"),
    pytest.param(b"database: ", b"x" * 4 * KIB, 0, id="A4-unknown-field-without-end"),
    pytest.param(b"", b"datas: x\n" * 512, 0, id="A4-endless-unknown-fields"),
]


@pytest.mark.parametrize(("start", "chunk", "comments"), DISCARDED)
def test_what_is_not_an_event_takes_no_memory(start: bytes, chunk: bytes, comments: int) -> None:
    """Comments and unknown fields are thrown away as they come, and count against no limit."""
    decoder = SSEDecoder(100)
    decoder.feed(start)
    peak, _ = peak_memory(lambda: [decoder.feed(chunk) for _ in range(64)])
    assert peak < 128 * KIB
    assert decoder.comments == 64 * comments


@pytest.mark.parametrize("start", [b":", b"dat", b"database:", b"event-", b"\xff"])
def test_A4_event_around_a_discarded_line_is_whole(start: bytes) -> None:
    """A4: a long comment or unknown field hides nothing of its block, and is not taken for data."""
    decoder = SSEDecoder(100)
    decoder.feed(b"data: a\n" + start)
    for _ in range(100):
        decoder.feed(b"data:x")
    assert decoder.feed(b"a: b\ndata: c\n\n") == [Event("message", b"a\nc")]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\rdata: b\ndata: c\r\n\r\n", ["a\nb\nc"], id="A5-mixed"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\r\ndata: c\n\r\n", ["a", "b", "c"], id="A5-mixed-blank-lines"),
        pytest.param(b"data: a\r\rdata: b\r\r", ["a", "b"], id="A5-cr"),
        pytest.param(b"data: a\r\n\ndata: b\n\r", ["a", "b"], id="A5-crlf-then-lf"),
    ],
)
def test_line_ends_mean_the_same_however_cut(stream: bytes, events: list[str]) -> None:
    """A5: CR, LF and CRLF end a line once, whatever chunk their bytes come in."""
    for chunks in every_cut(stream):
        assert data_of(*chunks) == events, chunks


def test_A5_crlf_split_over_chunks_dispatches_once() -> None:
    """A5: the LF of a split CRLF is no blank line."""
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\r\n\r") == [Event("message", b"a")]
    assert decoder.feed(b"\ndata: b\r") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"\r") == [Event("message", b"b")]


def test_A5_lone_cr_dispatches_at_once() -> None:
    """A5: an event that a CR completes does not wait for the next chunk."""
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\r") == []
    assert decoder.feed(b"\r") == [Event("message", b"a")]


OTHER_LINE_ENDS = {
    "NEL": "\x85",
    "LS": "\u2028",
    "PS": "\u2029",
    "VT": "\v",
    "FF": "\f",
    "FS": "\x1c",
    "GS": "\x1d",
    "RS": "\x1e",
}


@pytest.mark.parametrize("character", OTHER_LINE_ENDS.values(), ids=[f"A6-{name}" for name in OTHER_LINE_ENDS])
def test_only_cr_and_lf_end_a_line(character: str) -> None:
    """A6: what Python's splitlines takes for a line end is data here."""
    stream = f"data: a{character}b\n\n".encode()
    for chunks in every_cut(stream):
        assert data_of(*chunks) == [f"a{character}b"]


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(BOM + b"data: a\n\n", ["a"], id="A7-at-the-start"),
        pytest.param(BOM + BOM + b"data: a\n\ndata: b\n\n", ["b"], id="A7-double"),
        pytest.param(b"data: a\n\n" + BOM + b"data: b\n\n", ["a"], id="A7-later"),
        pytest.param(BOM + b"data: " + BOM + b"a\n\n", ["\ufeffa"], id="A7-in-the-data"),
        pytest.param(b"data:" + BOM + b"\n\n", ["\ufeff"], id="A7-alone-in-the-data"),
        pytest.param(BOM[:2] + b"data: a\n\ndata: b\n\n", ["b"], id="A7-incomplete"),
        pytest.param(BOM + b"\n" + BOM + b"data: a\n\n", [], id="A7-after-a-blank-line"),
    ],
)
def test_bom_is_stripped_once(stream: bytes, events: list[str]) -> None:
    """A7: one BOM at the very start is dropped, split or not; any other is an ordinary character."""
    for chunks in every_cut(stream):
        assert data_of(*chunks) == events, chunks


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\xffb\n\n", ["a\ufffdb"], id="A8-invalid-byte"),
        pytest.param(b"data: \xe2\x82\ndata: ok\n\n", ["\ufffd\nok"], id="A8-cut-by-a-newline"),
        pytest.param(b"data: \xe2\x82\r\r", ["\ufffd"], id="A8-cut-by-a-carriage-return"),
        pytest.param(b"data: \xe2\ndata: \x82\xac\n\n", ["\ufffd\n\ufffd\ufffd"], id="A8-not-joined-over-lines"),
        pytest.param(b"data: ok\n\ndata: \xf0\x9f", ["ok"], id="A8-cut-by-the-end"),
        pytest.param(b"da\xffta: lost\ndata: a\n\n", ["a"], id="A8-in-a-field-name"),
        pytest.param("data: \U0001f94c\n\n".encode(), ["\U0001f94c"], id="A8-valid-character-cut-by-chunks"),
    ],
)
def test_invalid_utf8_becomes_replacement_characters(stream: bytes, events: list[str]) -> None:
    """A8: broken UTF-8 never raises and never swallows a line end."""
    for chunks in every_cut(stream):
        assert data_of(*chunks) == events, chunks


def test_A8_invalid_utf8_in_type_and_id_is_replaced() -> None:
    """A8: the event type and the id are decoded with replacement too."""
    assert decode([b"event: \xffx\nid: \xe2\x82\ndata\n\n"]).events == [("\ufffdx", "", "\ufffd")]


@pytest.mark.parametrize("id", [b"\0", b"x\0", b"\0x", b"4\x002"])
def test_A9_nul_in_an_id_keeps_the_previous_one(id: bytes) -> None:
    """A9: an id with NUL is ignored whole."""
    stream = b"id: 1\ndata: a\n\nid: " + id + b"\ndata: b\n\n"
    for chunks in every_cut(stream):
        assert decode(chunks) == Decoded([("message", "a", "1"), ("message", "b", "1")], "1", None)


def test_A9_nul_in_data_and_type_is_kept() -> None:
    """A9: NUL means nothing outside an id."""
    assert decode([b"event: a\0b\ndata: \0\n\n"]).events == [("a\0b", "\0", "")]


def test_A10_block_with_only_an_id_moves_the_cursor() -> None:
    """A10: no event comes of it, but the next events and the cursor have the id."""
    decoder = SSEDecoder()
    assert decoder.feed(b"id: 42\n") == []
    assert decoder.last_event_id == ""
    assert decoder.feed(b"\n") == []
    assert decoder.last_event_id == "42"
    assert decoder.feed(b"data: a\n\n") == [Event("message", b"a", "42")]


def test_A10_empty_id_resets_the_cursor() -> None:
    """A10: an id field without a value is an id, the empty one."""
    assert decode([b"id: 1\ndata: a\n\nid\n\ndata: b\n\n"]) == Decoded(
        [("message", "a", "1"), ("message", "b", "")], "", None
    )


@pytest.mark.parametrize("end", [b"", b"\n", b"\ndata: b", b"\ndata: b\n", b"\r"])
def test_A10_id_of_an_unfinished_event_is_not_committed(end: bytes) -> None:
    """A10: the cursor stays at the last complete block."""
    for chunks in every_cut(b"id: 1\ndata: a\n\nid: 2" + end):
        assert decode(chunks) == Decoded([("message", "a", "1")], "1", None)


@pytest.mark.parametrize(
    ("value", "retry"),
    [
        pytest.param(value.encode(), retry, id=f"A11-{name}")
        for name, value, retry in [
            ("negative", "-1", None),
            ("signed", "+1", None),
            ("exponent", "1e3", None),
            ("underscore", "1_000", None),
            ("arabic-indic", "\u0661\u0662", None),
            ("superscript", "\u00b2", None),
            ("fraction", "1.5", None),
            ("space", " 1", None),
            ("empty", "", None),
            ("zero", "0", 0),
            ("ordinary", "2500", 2500),
            ("leading-zeros", "0" * 5000 + "2500", 2500),
            ("cap", str(MAX_RETRY), MAX_RETRY),
            ("above-the-cap", str(MAX_RETRY + 1), MAX_RETRY),
            ("26-digits", "9" * 26, MAX_RETRY),
            ("5000-digits", "9" * 5000, MAX_RETRY),
        ]
    ],
)
def test_retry_is_ascii_digits_and_capped(value: bytes, retry: int | None) -> None:
    """A11: anything but ASCII digits is ignored, anything over a day is a day."""
    for chunks in ([b"retry: " + value + b"\n"], one_by_one(b"retry: " + value + b"\n")):
        assert decode(chunks).retry == retry


def test_A11_bad_retry_keeps_the_earlier_one() -> None:
    """A11: an ignored value does not reset what the server said before."""
    assert decode([b"retry: 100\nretry: -1\nretry\n\n"]).retry == 100


def test_A11_retry_counts_from_its_line_on() -> None:
    """A11: unlike an id it does not wait for the blank line, but its line must be complete."""
    decoder = SSEDecoder()
    decoder.feed(b"retry: 10")
    assert decoder.retry is None
    decoder.feed(b"0\n")
    assert decoder.retry == 100


@pytest.mark.parametrize(
    "stream",
    [b"event: ghost\n\ndata: a\n\n", b"event: ghost\n\n\n\ndata: a\n\n", b"event: x\n: y\n\ndata:a\n\n"],
)
def test_A12_event_name_without_data_dispatches_nothing(stream: bytes) -> None:
    """A12: and the name does not leak into the next event."""
    for chunks in every_cut(stream):
        assert decode(chunks).events == [("message", "a", "")]


@pytest.mark.parametrize("block", [b"event: x\ndata: %d\n\n", b"data: %d\n\n", b"id: %d\ndata: %d\n\n"])
def test_A13_hundred_thousand_events_in_one_chunk(block: bytes) -> None:
    """A13: all are returned, in order, by the one feed."""
    count = 100_000
    parameters = block.count(b"%d")
    events = SSEDecoder().feed(b"".join([block % ((i,) * parameters) for i in range(count)]))
    assert [event.raw for event in events] == [b"%d" % i for i in range(count)]


@pytest.mark.parametrize("end", [b"data: b", b"data: b\n", b"event: x\ndata: b\r", b"event: x\ndata: b\r\n", b"da"])
def test_A14_event_cut_by_the_end_is_not_delivered(end: bytes) -> None:
    """A14: the end completes nothing."""
    for chunks in every_cut(b"data: a\n\n" + end):
        assert data_of(*chunks) == ["a"]


def test_A14_end_discards_what_is_pending() -> None:
    """A14: what comes after the end does not complete the event that the end cut."""
    decoder = SSEDecoder()
    decoder.feed(b"data: a\ndata: b")
    decoder.close()
    assert decoder.feed(b"\n\n") == []


def cpu_seconds(decoder: SSEDecoder, chunks: list[bytes]) -> float:
    start = time.thread_time()
    for chunk in chunks:
        decoder.feed(chunk)
    return time.thread_time() - start


@pytest.mark.parametrize(
    ("start", "chunk"),
    [
        pytest.param(b"data: ", b"x" * KIB, id="A15-one-line"),
        pytest.param(b"", b"data: " + b"x" * (KIB - 7) + b"\n", id="A15-many-lines"),
        pytest.param(b"", b"data: " + b"x" * (KIB - 8) + b"\r\n", id="A15-many-crlf-lines"),
        pytest.param(b": ", b"x" * KIB, id="A15-comment"),
    ],
)
def test_large_event_in_small_chunks_takes_linear_time(start: bytes, chunk: bytes) -> None:
    """A15: the last chunk costs no more than the first; quadratic work would take hundreds of times as long.

    The yardstick is the same number of chunks that are whole events, in CPU time of the same thread.
    """
    count = 8 * KIB
    whole_events = [b"data: " + b"x" * (KIB - 8) + b"\n\n"] * count
    yardstick = max(cpu_seconds(SSEDecoder(), whole_events), 0.005)
    assert cpu_seconds(SSEDecoder(16 * KIB * KIB), [start] + [chunk] * count) < 25 * yardstick


def test_A15_large_event_is_whole() -> None:
    """A15: 8 MiB in 1 KiB chunks come out as they went in."""
    decoder = SSEDecoder(16 * KIB * KIB)
    for _ in range(8 * KIB):
        assert decoder.feed(b"data:" + b"x" * (KIB - 6) + b"\n") == []
    (event,) = decoder.feed(b"\n")
    assert event.raw == b"\n".join([b"x" * (KIB - 6)] * (8 * KIB))


# --- the limit


def outcome(chunks: list[bytes], limit: int) -> tuple[list[str], bool]:
    """Return the data of the events, and whether the limit was hit."""
    decoder = SSEDecoder(limit)
    events: list[str] = []
    with suppress(EventTooLargeError):
        for chunk in chunks:
            events += [event.data for event in decoder.feed(chunk)]
        decoder.close()
    return events, decoder.error is not None


@pytest.mark.parametrize(
    ("stream", "size"),
    [
        (b"data: 345678\n\n", 12),
        (b"data: 345678", 12),
        (b"data: a\ndata: 3456", 17),
        (b"event: a\ndata: b\n\n", 15),
        (b"event:a\r\ndata:b\r\n\r\n", 13),
        (b"data\n\n", 4),
        (b"data\rdata\r\r", 8),
        (b"id: 1\nretry: 1\nid: 2\n\n", 18),
        (b"data: a\n: comment\nunknown: x\nunknown\ndata: b\n\n", 14),
        (b"data: a\ndataunknown\n\n", 7),
        (b"event: 1\n\ndata: 1\n\n", 8),
        (b"data: 1\n\ndata: 12\n\ndata: 1\n\n", 8),
    ],
)
def test_limit_is_the_sum_of_the_known_lines_of_a_block(stream: bytes, size: int) -> None:
    """A block of exactly the limit passes and one byte more does not, however the stream is cut."""
    for chunks in every_cut(stream):
        assert outcome(chunks, size)[1] is False, chunks
        assert outcome(chunks, size - 1)[1] is True, chunks


@pytest.mark.parametrize("field", [b"data", b"event", b"id", b"retry"])
def test_a_name_that_may_become_unknown_does_not_count_yet(field: bytes) -> None:
    """The beginning of a line counts only when it can be nothing but a known field."""
    for chunks in every_cut(field + b"x: unknown\ndata:\n\n"):
        assert outcome(chunks, 5) == ([""], False)
    for chunks in every_cut(field):
        assert outcome(chunks, 1) == ([], False)


@pytest.mark.parametrize("data", [b"data: 3456789", b"data: 3456789\n\ndata: c\n\n"])
def test_events_before_the_limit_are_returned_first(data: bytes) -> None:
    """The error waits for the next feed when there is something to return."""
    decoder = SSEDecoder(12)
    assert decoder.feed(b"id: 7\ndata: a\n\ndata: b\n\n" + data) == [
        Event("message", b"a", "7"),
        Event("message", b"b", "7"),
    ]
    assert isinstance(decoder.error, EventTooLargeError)
    assert decoder.last_event_id == "7"
    with pytest.raises(EventTooLargeError) as raised:
        decoder.feed(b"data: d\n\n")
    assert raised.value is decoder.error


def test_close_raises_the_error_that_nobody_has_seen() -> None:
    """A stream that ends right behind the limit does not end well."""
    decoder = SSEDecoder(12)
    assert len(decoder.feed(b"data: a\n\ndata: 3456789")) == 1
    with pytest.raises(EventTooLargeError) as raised:
        decoder.close()
    assert raised.value is decoder.error


def test_error_stays() -> None:
    """Once refused, the stream is refused for good, by one error that does not grow."""
    decoder = SSEDecoder(12, request_id="r-1")
    for _ in range(3):
        with pytest.raises(EventTooLargeError, match=r"^an event is larger than 12 bytes \[request r-1\]$") as raised:
            decoder.feed(b"data: 3456789")
        assert raised.value is decoder.error
        assert len(raised.traceback) == 2
    assert decoder.error.limit == 12
    with pytest.raises(EventTooLargeError):
        decoder.close()


def test_error_without_a_request_has_no_request_id() -> None:
    """A decoder on its own does not invent an id."""
    with pytest.raises(EventTooLargeError) as raised:
        SSEDecoder(1).feed(b"data\n")
    assert raised.value.request_id is None


# --- events


class Lengths(Dialect):
    """Sees nothing in an event but how long it is."""

    def typed(self, event: Event) -> int:
        return len(event.raw)


def test_events_carry_the_request_id_and_the_dialect_by_either_way() -> None:
    """The ordinary block and any other are stamped alike."""
    decoder = SSEDecoder(request_id="r-1", dialect=Lengths())
    events = decoder.feed(b"data: a\n\nevent: x\ndata\n\nevent: x\ndata: c\n\ndata: d\n")
    events += decoder.feed(b"\n")
    assert [event.type for event in events] == ["message", "x", "x", "message"]
    assert {event.request_id for event in events} == {"r-1"}
    assert [event.typed() for event in events] == [1, 0, 1, 1]


def test_equal_types_are_one_object() -> None:
    """An ordinary type is decoded once per stream, not once per event."""
    decoder = SSEDecoder()
    events = decoder.feed(b"event: delta\ndata: a\n\n" * 3) + decoder.feed(b"id: 1\nevent: delta\ndata: a\n\n")
    assert {event.type for event in events} == {"delta"}
    assert len({id(event.type) for event in events}) == 1


@pytest.mark.parametrize(("count", "length"), [pytest.param(4000, 10, id="many"), pytest.param(60, 8192, id="long")])
def test_invented_types_are_not_hoarded(count: int, length: int) -> None:
    """A server that makes up types gets them decoded, and takes no memory beyond its events."""
    decoder = SSEDecoder()

    def invent() -> None:
        for number in range(count):
            type = f"{number:0{length}}"
            assert [event.type for event in decoder.feed(f"event: {type}\ndata: a\n\n".encode())] == [type]

    assert peak_memory(invent)[1] < 64 * KIB


def test_raw_is_the_undecoded_data() -> None:
    """The bytes are kept as they came, their lines joined by LF."""
    (event,) = SSEDecoder().feed(b"data: \xff\r\ndata:  \xfe\r\n\r\n")
    assert event.raw == b"\xff\n \xfe"


@pytest.mark.parametrize(
    "block",
    [
        b"event: x\ndata: data: a",
        b"event: data: a\ndata: b",
        b"event: x\nevent: x\ndata: a",
        b"event: x\nevent: y\ndata: a",
        b"event: x\n: c\ndata: a",
        b"event: x\nda: data: a",
        b"event: x\n\ndata: a",
        b"\nevent: x\ndata: a",
        b"event:x\ndata:a",
        b"event:  x\ndata:  a",
        b"event: x\ndata: a\ndata: b",
        b"event: x\ndata: a\nid: 1",
        b"event: x\ndata",
        b"event: x\ndata:",
        b"event: x\nxdata: a",
        b"event\ndata: a",
        b"event: \ndata: a",
        b"event: x",
        b"data: a\nevent: x",
        b"xdata: a",
        b"",
    ],
)
def test_shortcut_gives_what_the_long_way_gives(block: bytes) -> None:
    """Blocks that look ordinary, and are or are not, decode in a row as they do byte by byte."""
    stream = (b"event: x\ndata: 0\n\n" + block + b"\n\n") * 2
    assert decode([stream]) == decode(one_by_one(stream))


def test_comments_counts_a_first_line_that_is_shorter_than_a_bom() -> None:
    """Only the bytes of a BOM are held back at the start, nothing that merely might be short."""
    decoder = SSEDecoder()
    decoder.feed(b":\n")
    assert decoder.comments == 1


def test_comments_counts_complete_comment_lines() -> None:
    """A comment counts once its line has ended, wherever it stands."""
    decoder = SSEDecoder()
    decoder.feed(b": a\n:\ndata: x\n:b\r\n\nnot: a comment\n: unfinished")
    assert decoder.comments == 3
    decoder.feed(b" still: unfinished")
    assert decoder.comments == 3
    decoder.feed(b"\n")
    assert decoder.comments == 4


def test_bare_json_is_what_stands_outside_of_fields_since_the_last_event() -> None:
    """From the first line on that begins like JSON; fields and comments are not part of it."""
    decoder = SSEDecoder()
    decoder.feed(b"hello\n")
    assert not decoder.has_bare_json
    decoder.feed(b' {"a":\n: comment\n 1}\nid: 3\nre')
    decoder.feed(b"st")
    assert decoder.has_bare_json
    assert decoder.bare_json() == b' {"a":\n 1}\nrest'
    decoder.feed(b"\ndata: x\n\n")
    assert not decoder.has_bare_json
    assert decoder.bare_json() == b""


@pytest.mark.parametrize("body", [b"[" * 70_000, b"[\n" * 40_000, b"[" * 65_000 + b"\n" + b"[" * 5_000])
def test_64_kib_of_bare_json_are_kept(body: bytes) -> None:
    """In one line or in many, whole and in pieces."""
    for size in (len(body), 1000, 7):
        decoder = SSEDecoder()
        for at in range(0, len(body), size):
            decoder.feed(body[at : at + size])
        assert decoder.bare_json() == body[:65_536]


@pytest.mark.parametrize(
    ("start", "tells"),
    [
        (b"", None),
        (b"\n\r\n", None),
        (b"\xef", None),
        (b"\xef\xbb\xbf", None),
        (b"d", None),
        (b"\ndata", None),
        (b"retry", None),
        (b":", True),
        (b"data:", True),
        (b"\xef\xbb\xbf\r\nid\r", True),
        (b"event\n", True),
        (b"<", False),
        (b"{", False),
        (b"data ", False),
        (b"datum:", False),
        (b"\xef\xbb<", False),
    ],
)
def test_the_first_bytes_tell_a_stream_as_soon_as_they_can(start: bytes, tells: bool | None) -> None:
    """None asks for more of them."""
    assert begins_stream(start) is tells
