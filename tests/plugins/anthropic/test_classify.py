"""What the events of the Messages API are to the engine."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE, Kind
from unbroken.errors import StreamError
from unbroken.messages import Event
from unbroken_anthropic import Anthropic

DIALECT = Anthropic()

KINDS = [
    pytest.param("message_start", PREAMBLE | USAGE, id="message_start"),
    pytest.param("content_block_start", STRUCTURE, id="content_block_start"),
    pytest.param("ping", KEEPALIVE, id="D45-ping"),
    pytest.param("content_block_delta", CONTENT, id="content_block_delta"),
    pytest.param("content_block_stop", STRUCTURE, id="content_block_stop"),
    pytest.param("message_delta", CONTENT | USAGE, id="message_delta"),
    pytest.param("message_stop", TERMINAL, id="message_stop"),
    pytest.param("error", ERROR, id="D47-error"),
    pytest.param("some_new_event", CONTENT, id="D46-unknown"),
]


@pytest.mark.parametrize(("type", "kind"), KINDS)
def test_an_event_is_what_its_name_says(type: str, kind: Kind):
    """The data does not matter, even when it disagrees or cannot be read."""
    assert DIALECT.classify(Event.make(type, {"type": type})) == kind
    assert DIALECT.classify(Event.make(type, {"type": "message_stop"})) == kind
    assert DIALECT.classify(Event(type, b"not json")) == kind


@pytest.mark.parametrize(("type", "kind"), KINDS)
def test_an_event_without_a_name_is_what_its_data_says(type: str, kind: Kind):
    """A proxy that drops the names does not make a complete stream look cut."""
    assert DIALECT.classify(Event.make("message", {"index": 0, "type": type})) == kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param({"error": {"message": "no"}}, ERROR, id="D47-gateway-error"),
        pytest.param({"error": None}, CONTENT, id="D49-null-error"),
        pytest.param({"error": "no"}, ERROR, id="D47-gateway-error-text"),
        pytest.param({"type": "message"}, CONTENT, id="D46-type-message"),
        pytest.param({"type": ["message_stop"]}, CONTENT, id="D49-type-list"),
        pytest.param({}, CONTENT, id="D49-no-type"),
        pytest.param([1], CONTENT, id="D49-no-object"),
        pytest.param(b"[DONE]", CONTENT, id="D49-no-json"),
        pytest.param(b"[" * 100_000, CONTENT, id="D49-deep"),
        pytest.param(b"\xff", CONTENT, id="D49-not-utf-8"),
    ],
)
def test_an_event_that_says_nothing_of_itself_is_passed_through(data: Any, kind: Kind):
    """Only an error object without a type is taken for what gateways mean by it."""
    assert DIALECT.classify(Event.make("message", data)) == kind


def test_a_stream_needs_its_terminal_event():
    """Without a message_stop the stream was cut."""
    assert DIALECT.has_terminal_event
    assert (DIALECT.name, DIALECT.response_id_header) == ("anthropic", "request-id")


def delta(**fields: Any) -> Event:
    return Event.make("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": fields})


@pytest.mark.parametrize(
    ("event", "text"),
    [
        pytest.param(delta(type="text_delta", text="Hello"), "Hello", id="text"),
        pytest.param(delta(type="text_delta", text=""), "", id="empty"),
        pytest.param(Event.make("message", {"delta": {"type": "text_delta", "text": "Hello"}}), "Hello", id="unnamed"),
        pytest.param(delta(type="thinking_delta", thinking="Hm"), None, id="thinking"),
        pytest.param(delta(type="input_json_delta", partial_json='{"a'), None, id="D52-tool-input"),
        pytest.param(delta(type="new_delta", text="Hello"), None, id="D46-unknown-delta"),
        pytest.param(delta(type="text_delta"), None, id="D49-no-text"),
        pytest.param(delta(type="text_delta", text=7), None, id="D49-text-is-number"),
        pytest.param(delta(type=["text_delta"], text="x"), None, id="D49-type-is-list"),
        pytest.param(Event.make("content_block_delta", {"delta": "x"}), None, id="D49-delta-is-text"),
        pytest.param(Event.make("content_block_delta", [1]), None, id="D49-no-object"),
        pytest.param(Event.make("content_block_start", b"not read"), None, id="other-event"),
        pytest.param(Event.make("ping", b"not read"), None, id="D45-ping"),
    ],
)
def test_text_is_that_of_text_deltas(event: Event, text: str | None):
    """Thinking and tool input are not text; what has an odd shape carries none."""
    assert DIALECT.text(event) == text


@pytest.mark.parametrize("raw", [b'{"delta":', b"\xff", b"{" * 100_000], ids=["D49-cut", "D49-bytes", "D49-deep"])
def test_a_delta_that_is_no_json_is_a_stream_error(raw: bytes):
    """Text that cannot be read is not silently left out."""
    with pytest.raises(StreamError, match="content_block_delta"):
        DIALECT.text(Event("content_block_delta", raw))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "delta", "text", "error", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(data=JSON, type=st.sampled_from(["message", "content_block_delta", "error", "x"]))
def test_no_shape_of_json_breaks_the_reading(data: Any, type: str):
    """JSON of any shape is classified and has text or none."""
    event = Event.make(type, msgspec.json.encode(data))
    assert isinstance(DIALECT.classify(event), Kind)
    assert DIALECT.text(event) is None or isinstance(data, dict)


@given(raw=st.binary(max_size=80), type=st.sampled_from(["message", "content_block_delta", "error", "x"]))
def test_no_bytes_break_the_classification(raw: bytes, type: str):
    """Only the text of what should be JSON may fail, and only with a StreamError."""
    event = Event(type, raw)
    assert isinstance(DIALECT.classify(event), Kind)
    try:
        DIALECT.text(event)
    except StreamError:
        assert type in {"message", "content_block_delta"}
