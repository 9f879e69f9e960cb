"""The decoder of Amazon event streams: messages, headers, and everything that may be wrong with them."""

import struct
import uuid
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import eventstream
from unbroken.dialect import Dialect
from unbroken.errors import EventTooLargeError, StreamError, ValidationError
from unbroken.eventstream import EventStreamDecoder, Message, Timestamp, decode_message, encode, encode_message
from unbroken.messages import Event

EMPTY = bytes.fromhex("000000100000000005c248eb7d98c8ff")
"""The message without headers and payload, as the AWS SDKs' test vectors have it."""
ID = uuid.UUID("01020304-0506-0708-090a-0b0c0d0e0f10")


def framed(headers: bytes, payload: bytes = b"", *, total: int | None = None, size: int | None = None) -> bytes:
    """Return a message with these lengths and right CRCs, made without the code that is tested."""
    total = 16 + len(headers) + len(payload) if total is None else total
    prelude = struct.pack(">II", total, len(headers) if size is None else size)
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return start + struct.pack(">I", zlib.crc32(start))


def text(name: str, value: str) -> bytes:
    return b"%c%b\x07%b%b" % (len(name), name.encode(), struct.pack(">H", len(value.encode())), value.encode())


def named(*pairs: tuple[str, str], payload: bytes = b"{}") -> bytes:
    return framed(b"".join(text(*pair) for pair in pairs), payload)


DELTA = named((":message-type", "event"), (":event-type", "delta"))


@pytest.mark.parametrize(
    ("frame", "type", "raw"),
    [
        pytest.param(DELTA, "delta", b"{}", id="event"),
        pytest.param(
            named((":event-type", "é"), (":content-type", "x/y"), (":message-type", "event"), payload=b""),
            "é",
            b"",
            id="event-without-payload",
        ),
        pytest.param(
            named((":message-type", "exception"), (":exception-type", "throttlingException"), payload=b'{"message":1}'),
            "exception:throttlingException",
            b'{"message":1}',
            id="exception",
        ),
        pytest.param(named((":message-type", "exception")), "exception:", b"{}", id="exception-without-a-name"),
        pytest.param(
            named((":message-type", "error"), (":error-code", "Internal"), (":error-message", 'a "b"'), payload=b""),
            "error:Internal",
            b'{"message":"a \\"b\\""}',
            id="error",
        ),
        pytest.param(
            named((":message-type", "error"), (":error-code", "A"), (":error-message", "b"), payload=b'{"c":1}'),
            "error:A",
            b'{"c":1}',
            id="error-with-payload",
        ),
        pytest.param(named((":message-type", "error"), payload=b""), "error:", b'{"message":""}', id="bare-error"),
        pytest.param(
            framed(text(":message-type", "error") + b"\x0b:error-code\x00", b"x"), "error:", b"x", id="code-is-no-text"
        ),
        pytest.param(
            named((":message-type", "event"), (":event-type", "x" * 300)), "x" * 300, b"{}", id="long-event-type"
        ),
    ],
)
def test_a_message_is_an_event_whose_type_says_what_it_is(frame: bytes, type: str, raw: bytes) -> None:
    """Events have their own type; exceptions and errors are told by how theirs begins. Twice the same is the same."""
    events = EventStreamDecoder().feed(frame + frame)
    assert [(event.type, event.raw) for event in events] == [(type, raw)] * 2


def changed(frame: bytes, at: int) -> bytes:
    at %= len(frame)
    return frame[:at] + bytes([frame[at] ^ 0x10]) + frame[at + 1 :]


BROKEN = [
    pytest.param(changed(DELTA, 2), "has the prelude CRC [0-9a-f]{8}, but its bytes give [0-9a-f]{8}", id="length"),
    pytest.param(changed(DELTA, 8), "has the prelude CRC", id="prelude-crc"),
    pytest.param(changed(DELTA, 20), "has the message CRC [0-9a-f]{8}, but its bytes give [0-9a-f]{8}", id="header"),
    pytest.param(changed(DELTA, -5), "has the message CRC", id="payload"),
    pytest.param(changed(DELTA, -1), "has the message CRC", id="message-crc"),
    pytest.param(b'{"message": "no stream"}', "has the prelude CRC", id="json"),
    pytest.param(framed(b"", total=15), "has a total length of 15, too little for 0 bytes of headers", id="short"),
    pytest.param(framed(b"", size=1), "has a total length of 16, too little for 1 bytes of headers", id="headers"),
    pytest.param(framed(b"\x05ab"), "has a header that is cut off at byte 3 of the headers", id="cut-name"),
    pytest.param(framed(b"\x01a"), "has a header that is cut off", id="no-type"),
    pytest.param(framed(b"\x01a\x04\0\0\0"), "has a header that is cut off", id="cut-integer"),
    pytest.param(framed(b"\x01a\x09" + bytes(15)), "has a header that is cut off", id="cut-uuid"),
    pytest.param(framed(b"\x01a\x06\0\2x"), "has a header that is cut off", id="cut-bytes"),
    pytest.param(framed(b"\x01a\x07\0"), "has a header that is cut off", id="cut-length"),
    pytest.param(framed(b"\x01a\x0a"), "has a header of the unknown type 10 at byte 2 of the headers", id="type"),
    pytest.param(framed(b"\x01\xff\x00"), "has invalid UTF-8 at byte 1 of the headers", id="name-utf8"),
    pytest.param(framed(b"\x01a\x07\0\1\xff"), "has invalid UTF-8 at byte 5 of the headers", id="text-utf8"),
    pytest.param(framed(b"\x01a\x00\x01a\x01"), "has the header 'a' twice", id="twice"),
]
UNTYPED = [
    pytest.param(EMPTY, "has no message type", id="no-message-type"),
    pytest.param(named((":message-type", "ping")), "has the unknown message type 'ping'", id="unknown-message-type"),
    pytest.param(framed(b"\x0d:message-type\x00"), "has the unknown message type True", id="message-type-is-no-text"),
    pytest.param(named((":message-type", "event")), "is an event without a type", id="no-event-type"),
]


@pytest.mark.parametrize(("frame", "what"), BROKEN + UNTYPED)
def test_what_is_not_valid_ends_the_stream_and_says_where(frame: bytes, what: str) -> None:
    """The events before it are returned, then every call raises, and another attempt may help."""
    decoder = EventStreamDecoder(request_id="req_1")
    stream = DELTA + frame + DELTA
    events = [event for at in range(len(stream)) if not decoder.error for event in decode(decoder, stream[at : at + 1])]
    assert [event.type for event in events] == ["delta"]
    for act in (lambda: decoder.feed(DELTA), decoder.close):
        with pytest.raises(
            StreamError, match=f"^the message at byte {len(DELTA)} of the event stream {what}"
        ) as caught:
            act()
        assert caught.value.retryable
        assert caught.value.request_id == "req_1"


def decode(decoder: EventStreamDecoder, data: bytes) -> list[Event]:
    try:
        return decoder.feed(data)
    except StreamError:
        return []


@pytest.mark.parametrize(("frame", "what"), BROKEN)
def test_a_message_that_is_not_valid_is_not_decoded(frame: bytes, what: str) -> None:
    """The same checks; a message needs no type."""
    with pytest.raises(StreamError, match=what):
        decode_message(frame)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "has 0 bytes, less than the 16"),
        (EMPTY[:15], "has 15 bytes, less than the 16"),
        (EMPTY + b"x", "has 17 bytes, but its total length says 16"),
        (DELTA[:-1], f"has {len(DELTA) - 1} bytes, but its total length says {len(DELTA)}"),
    ],
)
def test_one_message_is_exactly_one(data: bytes, what: str) -> None:
    """Neither a part nor more."""
    with pytest.raises(StreamError, match=what):
        decode_message(data)


HEADERS: list[tuple[bytes, Any]] = [
    (b"\x00", True),
    (b"\x01", False),
    (b"\x02\xff", -1),
    (b"\x03\x80\x00", -32768),
    (b"\x04\x00\x00\x01\x00", 256),
    (b"\x05\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
    (b"\x06\x00\x02\x00\xff", b"\x00\xff"),
    (b"\x06\x00\x00", b""),
    (b"\x07\x00\x02\xc3\xa9", "é"),
    (b"\x07\x00\x00", ""),
    (b"\x08\x00\x00\x01\x00\x00\x00\x00\x00", Timestamp(2**40)),
    (b"\x09" + ID.bytes, ID),
]


@pytest.mark.parametrize(("value", "expected"), HEADERS, ids=[f"{value[0]}-{expected}" for value, expected in HEADERS])
def test_each_type_of_header_is_read(value: bytes, expected: Any) -> None:
    """As the specification lays them out."""
    message = decode_message(framed(b"\x01a" + value + b"\x00\x00", b"payload"))
    assert message == Message({"a": expected, "": True}, b"payload")
    assert type(message.headers["a"]) is type(expected)


def test_the_empty_message_is_the_one_of_the_vectors() -> None:
    """It shows that the CRCs are those of AWS."""
    assert encode_message({}) == EMPTY
    assert decode_message(EMPTY) == Message()


values = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.binary(max_size=9)
    | st.text(max_size=9)
    | st.integers(-(2**63), 2**63 - 1).map(Timestamp)
    | st.uuids()
)


@given(headers=st.dictionaries(st.text(max_size=9), values, max_size=5), payload=st.binary(max_size=40))
def test_an_encoded_message_is_decoded_as_the_same(headers: dict[str, Any], payload: bytes) -> None:
    """With values of the same types."""
    message = decode_message(encode_message(headers, payload))
    assert message == Message(headers, payload)
    assert [*map(type, message.headers.values())] == [*map(type, headers.values())]


@pytest.mark.parametrize(
    ("headers", "payload", "what"),
    [
        pytest.param({"x" * 256: True}, b"", "'x+' cannot be written", id="long-name"),
        pytest.param({"\ud800": True}, b"", "cannot be written", id="surrogate-in-the-name"),
        pytest.param({"a": "\ud800"}, b"", "'a' cannot be written", id="surrogate"),
        pytest.param({"a": "x" * 65536}, b"", "'a' cannot be written", id="long-text"),
        pytest.param({"a": b"x" * 65536}, b"", "'a' cannot be written", id="long-bytes"),
        pytest.param({"a": 2**63}, b"", "'a' cannot be written", id="large-number"),
        pytest.param({"a": 1.5}, b"", "a header is a bool, int, bytes, str or UUID, not 1.5", id="float"),
        pytest.param({"a": b"x" * 65535, "b": b"x" * 65535}, b"", "has at most 131072 bytes of headers", id="headers"),
        pytest.param({}, bytes(24 * 1024 * 1024 + 1), "not 0 and 25165825", id="payload"),
    ],
)
def test_what_the_format_cannot_carry_is_not_written(headers: dict[str, Any], payload: bytes, what: str) -> None:
    """The error is the caller's own."""
    with pytest.raises(ValidationError, match=what) as caught:
        encode_message(headers, payload)
    assert caught.value.is_local


@pytest.mark.parametrize(
    ("headers", "total", "limit", "what"),
    [
        pytest.param(0, 1025, 1024, "has 1025 bytes, more than the limit of 1024", id="message"),
        pytest.param(0, 2**32 - 1, 1024, "the limit is 25165824", id="largest"),
        pytest.param(128 * 1024 + 1, 2**20, 2**20, "has 131073 bytes of headers; the limit is 131072", id="headers"),
        pytest.param(0, 24 * 2**20 + 17, 2**30, "has a payload of 25165825 bytes; the limit is 25165824", id="payload"),
    ],
)
def test_a_prelude_tells_what_is_too_large(headers: int, total: int, limit: int, what: str) -> None:
    """It is refused with the 12 bytes of its prelude, and nothing of it is waited for."""
    decoder = EventStreamDecoder(limit)
    with pytest.raises(EventTooLargeError, match=what) as caught:
        decoder.feed(framed(b"", total=total, size=headers)[:12])
    assert caught.value.limit in {limit, 24 * 2**20, 128 * 1024}
    assert not caught.value.retryable


def test_the_crc_is_checked_before_a_length_is_believed() -> None:
    """A length that was damaged on the way says nothing about sizes."""
    with pytest.raises(StreamError, match="prelude CRC") as caught:
        EventStreamDecoder(1024).feed(b"\xff" + DELTA[1:12])
    assert caught.type is StreamError


def test_the_largest_headers_and_payload_pass() -> None:
    """At the limits of the format, if the client's own is larger."""
    pair = {":message-type": "event", ":event-type": "x"}
    filled = pair | {"a": b"x" * 65535, "b": b"x" * (131072 - 65535 - 38 - 5 - 5)}
    frame = encode_message(filled, bytes(24 * 2**20))
    assert int.from_bytes(frame[4:8], "big") == 128 * 1024
    (event,) = EventStreamDecoder(2**30).feed(frame)
    assert len(event.raw) == 24 * 2**20


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(b'{"message":"no"}', "no", id="text"),
        pytest.param(b'{"message":1}', "", id="number"),
        pytest.param(b"[]", "", id="list"),
        pytest.param(b"x", "", id="no-json"),
        pytest.param(b'{"message":"%b"}' % (b"a" * 2000), "a" * 1024, id="long"),
    ],
)
def test_an_encoded_error_has_the_headers_of_one(raw: bytes, message: str) -> None:
    """The message stands in a header, as the specification requires."""
    encoded = decode_message(encode(Event("error:Internal", raw)))
    assert encoded.headers[":message-type"] == "error"
    assert encoded.headers[":error-code"] == "Internal"
    assert encoded.headers[":error-message"] == message
    assert encoded.payload == raw


def test_an_encoded_exception_has_the_headers_of_one() -> None:
    """And an event those of an event."""
    assert decode_message(encode(Event("exception:a", b"{}"))) == Message(
        {":message-type": "exception", ":exception-type": "a", ":content-type": "application/json"}, b"{}"
    )
    assert decode_message(encode(Event("a", b"{}"))) == Message(
        {":message-type": "event", ":event-type": "a", ":content-type": "application/json"}, b"{}"
    )


def test_events_carry_the_request_id_and_the_dialect() -> None:
    """Whether or not the headers were seen before."""
    dialect = Dialect()
    for event in EventStreamDecoder(request_id="req_1", dialect=dialect).feed(DELTA * 2):
        assert (event.request_id, event._dialect, event.id) == ("req_1", dialect, "")


def test_invented_headers_are_not_hoarded() -> None:
    """Neither many nor long ones."""
    for number in range(1000):
        EventStreamDecoder().feed(named((":message-type", "event"), (":event-type", f"{number}" + "x" * number)))
    assert len(eventstream._TYPES) <= 256
    assert max(map(len, eventstream._TYPES)) <= 256
