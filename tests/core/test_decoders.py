"""What holds for the decoder of every framing: cuts mean nothing, everything is bounded, and work is linear."""

import json
import os
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from attrs import field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from unbroken import eventstream, ndjson, sse
from unbroken.errors import EventTooLargeError, StreamError
from unbroken.messages import Event

KIB = 1024
FUZZED = 10**8 if os.environ.get("UNBROKEN_LONG") == "1" else 10**5
"""How many bytes each decoder is fuzzed with."""
SEED = int(os.environ.get("UNBROKEN_SEED", "0"))


@frozen
class Framing:
    """A decoder and what its streams are made of."""

    make: Callable[..., Any]
    encode: Callable[[Event], bytes]
    fragments: list[bytes]
    sized: Callable[[int], bytes]
    """Returns a stream of one event of so many bytes, as the limit counts them."""
    end: int
    """How many of the last bytes of that stream complete it."""
    buffers: tuple[str, ...]
    """The attributes in which a decoder keeps bytes."""
    typed: bool = field(default=True)


DELTA = Event("delta", b'{"text":"some words"}')
FAILURE = Event("exception:throttlingException", b'{"message":"slow down"}')
BOM = b"\xef\xbb\xbf"


def message(size: int) -> bytes:
    return eventstream.encode_message({":message-type": "event", ":event-type": "x"}, b"x" * (size - 54))


def reframed(frame: bytes) -> bytes:
    """Return `frame` with CRCs that fit what it says."""
    prelude = frame[:8]
    start = prelude + zlib.crc32(prelude).to_bytes(4, "big") + frame[12:-4]
    return start + zlib.crc32(start).to_bytes(4, "big")


FRAMINGS = {
    "sse": Framing(
        sse.SSEDecoder,
        sse.encode,
        [b"data: {}\n\n", b"data:", b"event: x", b"id: 7\n", b": ping\n", b"\n", b"\r", b"\r\n", b"x", BOM, BOM[:2]],
        lambda size: b"data: " + b"x" * (size - 6) + b"\n\n",
        2,
        ("_line", "_data"),
    ),
    "ndjson": Framing(
        ndjson.NDJSONDecoder,
        ndjson.encode,
        [b'{"a":1}\n', b"[1]", b'{"a":"', b'"}', b"7", b"\n", b"\r", b"\r\n", b" ", b"\t\n", b"\xff", BOM, BOM[:2]],
        lambda size: b'"' + b"x" * (size - 2) + b'"\r\n',
        2,
        ("_line",),
        typed=False,
    ),
    "eventstream": Framing(
        eventstream.EventStreamDecoder,
        eventstream.encode,
        [
            eventstream.encode(DELTA),
            eventstream.encode(FAILURE),
            eventstream.encode(Event("error:Code", b"")),
            eventstream.encode_message({}),
            eventstream.encode(DELTA)[:-1],
            eventstream.encode(DELTA)[:20],
            reframed(eventstream.encode(DELTA)[:4] + b"\0\0\0\x05" + eventstream.encode(DELTA)[8:]),
        ],
        message,
        1,
        ("_frame",),
    ),
}

every_framing = pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)


def streams(framing: Framing) -> st.SearchStrategy[bytes]:
    whole = st.builds(framing.encode, st.builds(Event, st.sampled_from(["a", "delta"]), st.just(b'{"n":1}')))
    noise = st.binary(max_size=3)
    return st.lists(st.sampled_from(framing.fragments) | whole | noise, max_size=12).map(b"".join)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    cuts = sorted(place % (len(stream) + 1) for place in places)
    return [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def one_by_one(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def outcome(decoder: Any, chunks: list[bytes]) -> tuple[Any, ...]:
    """Return all that the stream leaves behind."""
    events: list[Event] = []
    with suppress(StreamError):
        for chunk in chunks:
            events += decoder.feed(chunk)
    boundary = decoder.error is not None or decoder.at_boundary
    with suppress(StreamError):
        events += decoder.close() or []
    seen = [(event.type, event.raw, event.id) for event in events]
    return seen, decoder.comments, decoder.last_event_id, decoder.retry, boundary, repr(decoder.error)


@every_framing
@settings(max_examples=150, deadline=None)
@given(data=st.data(), places=st.lists(st.integers(0, 10**6), max_size=8), limit=st.none() | st.integers(0, 150))
def test_any_cut_of_a_stream_means_the_same(
    framing: Framing, data: st.DataObject, places: list[int], limit: int | None
) -> None:
    """Events, counters, the boundary and the error do not depend on the pieces in which the bytes arrive."""
    stream = data.draw(streams(framing))
    options = {} if limit is None else {"max_event_size": limit}
    whole = outcome(framing.make(**options), [stream])
    assert outcome(framing.make(**options), cut(stream, places)) == whole
    assert outcome(framing.make(**options), one_by_one(stream)) == whole


json_texts = st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(), max_size=3).map(
    lambda value: json.dumps(value).encode()
)
names = st.text("abcXYZ:-é", min_size=1, max_size=12) | st.sampled_from(["exception:a", "error:b", "error:"])


@every_framing
@settings(max_examples=60, deadline=None)
@given(written=st.lists(st.tuples(names, json_texts), max_size=8), split=st.integers(0, 8))
def test_streams_behind_one_another_are_one(framing: Framing, written: list[tuple[str, bytes]], split: int) -> None:
    """What is encoded is decoded as the same, and two streams in a row are the events of both."""
    events = [Event(name if framing.typed else "message", raw) for name, raw in written]
    first, second = (b"".join(map(framing.encode, part)) for part in (events[:split], events[split:]))
    assert framing.make().feed(first + second) == events
    decoder = framing.make()
    assert decoder.feed(first) + decoder.feed(second) == events
    assert decoder.at_boundary or not events


@every_framing
@pytest.mark.parametrize("size", [100, 4 * KIB])
def test_an_event_of_the_limit_passes_and_one_byte_more_does_not(framing: Framing, size: int) -> None:
    """However it is cut; a larger one is refused before its end has arrived."""
    fits, more = framing.sized(size), framing.sized(size + 1)[: -framing.end]
    for chunks in ([fits], one_by_one(fits)):
        assert len(outcome(framing.make(size), chunks)[0]) == 1
    for chunks in ([more], one_by_one(more)):
        decoder = framing.make(size)
        assert outcome(decoder, chunks)[0] == []
        assert isinstance(decoder.error, EventTooLargeError)
        assert decoder.error.limit == size


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


def broken_at_the_end(framing: Framing, size: int) -> list[bytes]:
    """An event that is refused when all of it has arrived, where there is such a thing, in pieces of 4 KiB."""
    stream = bytearray(framing.sized(size))
    stream[-framing.end] ^= 1
    return [bytes(stream[at : at + 4 * KIB]) for at in range(0, len(stream), 4 * KIB)] + [b"x" * 4 * KIB] * 8


@every_framing
@pytest.mark.parametrize("limit", [256 * KIB, 512 * KIB], ids=["below-the-limit", "over-the-limit"])
def test_an_endless_event_takes_bounded_memory_and_gives_it_back(framing: Framing, limit: int) -> None:
    """Before the refusal memory is a small multiple of the limit, after it next to nothing."""
    decoder = framing.make(256 * KIB)
    chunks = broken_at_the_end(framing, limit)
    peak, left = peak_memory(lambda: outcome(decoder, chunks))
    assert decoder.error is not None
    assert peak < 4 * 256 * KIB
    assert left < 64 * KIB


class Counted(bytearray):
    """A buffer that counts the bytes that are copied into and out of it."""

    copied = 0

    def __iadd__(self, data: Any) -> Any:
        self.copied += len(data)
        return super().__iadd__(data)

    def __bytes__(self) -> bytes:
        self.copied += len(self)
        return bytes(memoryview(self))

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        self.copied += len(part) if isinstance(key, slice) else 1
        return part

    def __contains__(self, item: Any) -> bool:
        self.copied += len(self)
        return super().__contains__(item)


def calls_of(action: Callable[[], object]) -> int:
    count = 0

    def profile(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


@every_framing
def test_a_large_event_byte_by_byte_is_linear_work(framing: Framing) -> None:
    """Each byte costs a few calls, and is copied a few times, however many have come before it."""
    stream = framing.sized(64 * KIB) * 2
    decoder = framing.make()
    buffers = [Counted() for _ in framing.buffers]
    for name, buffer in zip(framing.buffers, buffers, strict=True):
        setattr(decoder, name, buffer)
    chunks = one_by_one(stream)
    events: list[Event] = []
    calls = calls_of(lambda: [events.extend(decoder.feed(chunk)) for chunk in chunks])
    assert len(events) == 2
    assert calls < 20 * len(stream)
    assert [getattr(decoder, name) for name in framing.buffers] == buffers
    assert 0 < sum(buffer.copied for buffer in buffers) < 12 * len(stream)


@every_framing
def test_many_events_in_one_chunk_are_linear_work(framing: Framing) -> None:
    """They cost the same number of calls each, be they ten or ten thousand."""
    event = framing.encode(Event("delta", b'{"a":1}'))
    framing.make().feed(event)
    few, many = (calls_of(lambda n=n: framing.make().feed(event * n)) for n in (10, 10_000))
    assert many - few <= few * 1_000


@every_framing
def test_an_error_stays_and_comes_behind_the_events(framing: Framing) -> None:
    """The events before it are returned first; then every call raises it, with the request."""
    decoder = framing.make(100, request_id="req_1")
    (event,) = decoder.feed(framing.sized(80) + framing.sized(200) + framing.sized(80))
    assert event.request_id == "req_1"
    assert decoder.error is not None
    assert decoder.error.request_id == "req_1"
    for act in (lambda: decoder.feed(framing.sized(80)), lambda: decoder.feed(b""), decoder.close):
        with pytest.raises(EventTooLargeError) as caught:
            act()
        assert caught.value is decoder.error


@every_framing
def test_an_error_without_a_request_has_no_request_id(framing: Framing) -> None:
    """Not an empty one."""
    with pytest.raises(EventTooLargeError) as caught:
        framing.make(100).feed(framing.sized(101))
    assert caught.value.request_id is None


@every_framing
def test_the_end_discards_what_is_unfinished(framing: Framing) -> None:
    """And nothing that comes later completes it."""
    decoder = framing.make()
    decoder.feed(framing.sized(100)[: -framing.end - 1])
    assert not decoder.at_boundary
    assert not decoder.close()
    assert decoder.feed(b"") == []
    assert all(not getattr(decoder, name) for name in framing.buffers)


def mutated(chance: Random, framing: Framing) -> bytes:
    """Return a few events with a mistake in them, or noise."""
    names = ["delta", "exception:a", "error:b", "x" * chance.randrange(40)]
    parts = [framing.encode(Event(chance.choice(names), b'{"a":%d}' % n)) for n in range(chance.randrange(1, 8))]
    parts += chance.choices([*framing.fragments, chance.randbytes(chance.randrange(60))], k=chance.randrange(3))
    chance.shuffle(parts)
    stream = bytearray(b"".join(parts))
    for _ in range(chance.choice([0, 1, 1, 2, 5])):
        at = chance.randrange(len(stream))
        width = chance.choice([0, 1, 1, 4])
        stream[at : at + width] = chance.choice([chance.randbytes(width), b"", b"\xff" * 4, b"\0" * 4, stream[:at]])
        stream = stream or bytearray(b"?")
    if framing.make is eventstream.EventStreamDecoder and len(stream) > 16 and chance.random() < 0.7:
        stream[:4] = len(stream).to_bytes(4, "big")
        stream[4:8] = chance.choice([bytes(stream[4:8]), chance.randrange(len(stream)).to_bytes(4, "big")])
        return reframed(bytes(stream))
    return bytes(stream)


@every_framing
def test_mutated_streams_raise_no_foreign_errors(framing: Framing) -> None:
    """Whatever arrives, a decoder returns events or raises its own error, and cuts do not change what it does."""
    number = fuzzed = 0
    while fuzzed < FUZZED:
        chance = Random(f"{SEED}:{number}")
        stream = b"".join(mutated(chance, framing) for _ in range(chance.choice([1, 1, 3])))
        limit = chance.choice([40, 120, 10**6])
        places = [chance.randrange(10**6) for _ in range(chance.choice([1, 3, 20]))]
        whole = outcome(framing.make(limit), [stream])
        assert outcome(framing.make(limit), cut(stream, places)) == whole, (SEED, number)
        fuzzed += len(stream)
        number += 1
