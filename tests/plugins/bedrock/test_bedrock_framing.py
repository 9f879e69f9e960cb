"""Amazon's messages, and the events of models that some of them hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Event
from unbroken.errors import StreamError
from unbroken.framings import AWS_EVENTS
from unbroken_bedrock._framing import BEDROCK_EVENTS

from .bedrock_frames import CLAUDE, TALK, body, chunk, frame

GOOD = frame(*TALK[1])
BAD = [frame("chunk", {"bytes": "***"}), frame("chunk", {"bytes": 7}), frame("chunk", b"{"), frame("chunk", b"[]")]


def decoded(data: bytes) -> list[Event]:
    return BEDROCK_EVENTS.decoder(10**6, request_id="req_1").feed(data)


@pytest.mark.parametrize(
    ("inner", "type"),
    [
        (b'{"type": "message_stop"}', "message_stop"),
        (b'{"type": "messageStop"}', "chunk"),
        (b'{"type": "exception:x"}', "chunk"),
        (b'{"type": 7}', "chunk"),
        (b"[]", "chunk"),
        (b"text", "chunk"),
        (b"", "chunk"),
    ],
)
def test_a_chunk_is_the_event_in_it(inner, type):
    """With a name only where the Messages API has one."""
    (event,) = decoded(body(chunk(inner)))
    assert (event.type, event.raw, event.request_id) == (type, inner, "req_1")


def test_a_chunk_without_bytes_is_empty():
    assert decoded(frame("chunk", {"p": "abc"})) == [Event("chunk", b"")]


@pytest.mark.parametrize("bad", BAD, ids=["base64", "number", "json", "list"])
def test_a_chunk_that_cannot_be_opened_ends_the_stream(bad):
    """What came before it is returned first; no piece of a text is passed over."""
    decoder = BEDROCK_EVENTS.decoder(10**6)
    assert [event.type for event in decoder.feed(GOOD + bad + GOOD)] == ["contentBlockDelta"]
    for use in (lambda: decoder.feed(b""), decoder.close):
        with pytest.raises(StreamError, match="base64"):
            use()
    with pytest.raises(StreamError):
        BEDROCK_EVENTS.decoder(10**6).feed(bad)


def test_the_errors_of_the_messages_are_its_own():
    broken = GOOD[:-1] + b"x"
    decoder = BEDROCK_EVENTS.decoder(10**6)
    assert len(decoder.feed(GOOD + broken)) == 1
    assert isinstance(decoder.error, StreamError)
    with pytest.raises(StreamError):
        BEDROCK_EVENTS.decoder(10**6).feed(broken)
    decoder = BEDROCK_EVENTS.decoder(10**6)
    decoder.feed(GOOD[:-1])
    assert (decoder.at_boundary, decoder.close(), decoder.at_boundary) == (False, [], True)


@given(
    type=st.sampled_from(["chunk", "contentBlockDelta", "metadata", "exception:throttlingException"]),
    raw=st.binary(max_size=50),
)
def test_what_is_written_is_read_again(type, raw):
    event = Event(type, raw)
    if type == "chunk" and b"type" in raw:
        return
    assert decoded(BEDROCK_EVENTS.encode(event)) == [event]


def test_the_events_of_a_message_are_written_as_chunks():
    """So that the clients of AWS and Anthropic read them."""
    events = decoded(body(*CLAUDE))
    written = b"".join(map(BEDROCK_EVENTS.encode, events))
    assert {event.type for event in AWS_EVENTS.decoder(10**6).feed(written)} == {"chunk"}
    assert decoded(written) == events


def test_the_places_of_messages_are_those_of_the_framing():
    data = bytearray(GOOD + GOOD[:20])
    assert BEDROCK_EVENTS.unit_end(data, 0) == BEDROCK_EVENTS.whole_end(data, 0, 0) == len(GOOD)
    assert BEDROCK_EVENTS.begins(GOOD) is True
