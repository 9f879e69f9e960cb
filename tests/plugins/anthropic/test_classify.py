"""What the events of the Messages API are to the engine."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE, Kind
from unbroken.errors import StreamError
from unbroken.messages import Event
from unbroken_anthropic import Anthropic
from unbroken_anthropic._reader import _MOST_TOOLS

DIALECT = Anthropic()

BLOCK = {"type": "text", "text": ""}
KINDS = [
    pytest.param("message_start", {"message": {"content": []}}, PREAMBLE | USAGE, id="message_start"),
    pytest.param("content_block_start", {"content_block": BLOCK}, STRUCTURE, id="content_block_start"),
    pytest.param("ping", {}, KEEPALIVE, id="D45-ping"),
    pytest.param("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}}, CONTENT, id="delta"),
    pytest.param("content_block_stop", {}, STRUCTURE, id="content_block_stop"),
    pytest.param("message_delta", {"delta": {"stop_reason": "end_turn"}}, CONTENT | USAGE, id="message_delta"),
    pytest.param("message_stop", {}, TERMINAL, id="message_stop"),
    pytest.param("error", {}, ERROR, id="D47-error"),
    pytest.param("some_new_event", {"delta": {"text": "a"}}, KEEPALIVE, id="D46-unknown"),
]


@pytest.mark.parametrize(("type", "fields", "kind"), KINDS)
def test_an_event_is_what_its_name_says(type: str, fields: dict[str, Any], kind: Kind):
    """The type in the data does not matter, and neither does data that is no object."""
    assert DIALECT.classify(Event.make(type, {"type": type, **fields})) == kind
    assert DIALECT.classify(Event.make(type, {"type": "message_stop", **fields})) == kind
    assert DIALECT.classify(Event(type, b"not json")) == kind
    assert DIALECT.classify(Event(type, b"[1]")) == kind


@pytest.mark.parametrize(("type", "fields", "kind"), KINDS)
def test_an_event_without_a_name_is_what_its_data_says(type: str, fields: dict[str, Any], kind: Kind):
    """A proxy that drops the names does not make a complete stream look cut."""
    assert DIALECT.classify(Event.make("message", {"index": 0, **fields, "type": type})) == kind


def written(*values: Any) -> list[bytes]:
    """Each value as JSON, compact and with spaces."""
    return [it for value in values for it in (msgspec.json.encode(value), json.dumps(value).encode())]


def piece(**delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


EMPTY = [
    piece(type="text_delta", text=""),
    piece(text="", type="text_delta"),
    piece(type="text_delta", text=None),
    piece(type="text_delta"),
    piece(type="text_delta", text="", probability=None),
    piece(type="thinking_delta", thinking=""),
    piece(type="signature_delta", signature=""),
    piece(type="input_json_delta", partial_json=""),
    piece(type="citations_delta", citation={}),
    piece(type="compaction_delta", content=None),
    piece(),
    {"delta": {"type": "text_delta", "text": ""}, "index": 0, "type": "content_block_delta"},
    {"type": "content_block_delta", "index": 0, "delta": None},
    {"type": "content_block_delta", "index": 0},
]
FULL = [
    piece(type="text_delta", text="a"),
    piece(type="text_delta", text='"'),
    piece(type="text_delta", text='say ""'),
    piece(type="text_delta", text="_delta"),
    piece(text=" ", type="text_delta"),
    piece(type="text_delta", text="a", note=""),
    piece(type="thinking_delta", thinking="a"),
    piece(type="signature_delta", signature="a"),
    piece(type="input_json_delta", partial_json='""'),
    piece(type="citations_delta", citation={"type": ""}),
    piece(type="compaction_delta", content="a", encrypted_content=None),
    piece(type="new_delta", count=1),
    {"type": "content_block_delta", "index": 0, "delta": "a"},
    {"delta": {"type": "text_delta", "text": "a"}, "index": 0, "type": "content_block_delta"},
]


@pytest.mark.parametrize("name", ["content_block_delta", "message"])
@pytest.mark.parametrize("raw", [*written(*EMPTY), b"{}", b"null", b" null ", b"", b"  "])
def test_an_empty_delta_is_a_keepalive(name: str, raw: bytes):
    """However it is written."""
    assert DIALECT.classify(Event(name, raw)) == KEEPALIVE


@pytest.mark.parametrize("name", ["content_block_delta", "message"])
@pytest.mark.parametrize("raw", written(*FULL))
def test_a_delta_that_says_anything_is_content(name: str, raw: bytes):
    """Quotes, white space and what looks like a type are text like any other."""
    assert DIALECT.classify(Event(name, raw)) == CONTENT


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        pytest.param(
            Event.make("message_delta", {"delta": {}, "usage": {"output_tokens": 1}}), PREAMBLE | USAGE, id="n"
        ),
        pytest.param(Event.make("message_delta", {"delta": {"stop_reason": None}}), KEEPALIVE, id="nothing"),
        pytest.param(
            Event.make("message_delta", {"delta": {"stop_reason": "error"}, "usage": {}}), ERROR | USAGE, id="error"
        ),
        pytest.param(
            Event.make("message_start", {"message": {"stop_reason": "network_error"}}), ERROR | USAGE, id="start-error"
        ),
        pytest.param(
            Event.make("message_start", {"message": {"content": [{"type": "text", "text": "a"}]}}),
            CONTENT | USAGE,
            id="start-text",
        ),
        pytest.param(
            Event.make("content_block_start", {"content_block": {"type": "text", "text": "a"}}),
            CONTENT,
            id="block-text",
        ),
        pytest.param(
            Event.make("content_block_start", {"content_block": {"type": "thinking", "thinking": "a"}}),
            STRUCTURE,
            id="block-thinking",
        ),
        pytest.param(Event.make("content_block_delta", {"error": {"message": "no"}}), ERROR, id="error-for-delta"),
        pytest.param(Event.make("problem", {"error": {"message": "no"}}), ERROR, id="foreign-name"),
        pytest.param(Event.make("problem", {"type": "error", "message": "no"}), ERROR, id="foreign-name-type"),
        pytest.param(Event.make("tool", {"type": "tool", "error": "no"}), KEEPALIVE, id="error-of-something-else"),
        pytest.param(Event.make("message", {"type": "message", "error": {"message": "no"}}), ERROR, id="no-name"),
    ],
)
def test_what_the_data_adds_to_the_name(event: Event, kind: Kind):
    """Text at the start is content, counts alone are none, and a failure is one under any name."""
    assert DIALECT.classify(event) == kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param({"error": {"message": "no"}}, ERROR, id="D47-gateway-error"),
        pytest.param({"error": None}, KEEPALIVE, id="D49-null-error"),
        pytest.param({"error": {}}, KEEPALIVE, id="D49-empty-error"),
        pytest.param({"error": "no"}, ERROR, id="error-text"),
        pytest.param({"type": "error", "message": "no"}, ERROR, id="error-message"),
        pytest.param({"type": "message"}, KEEPALIVE, id="D46-type-message"),
        pytest.param({"type": ["message_stop"]}, KEEPALIVE, id="D49-type-list"),
        pytest.param({"x": 1}, KEEPALIVE, id="D49-no-type"),
        pytest.param([1], KEEPALIVE, id="D49-no-object"),
        pytest.param(b"[DONE]", KEEPALIVE, id="D49-no-json"),
        pytest.param(b"keepalive", KEEPALIVE, id="words"),
        pytest.param(b"2031-05-06T07:08:09Z", KEEPALIVE, id="time"),
        pytest.param(b"[" * 100_000, KEEPALIVE, id="D49-deep"),
        pytest.param(b"\xff", KEEPALIVE, id="D49-not-utf-8"),
        pytest.param(b'{"type":"content_bl', CONTENT, id="D49-cut-object"),
    ],
)
def test_an_event_that_says_nothing_of_itself_is_a_keepalive(data: Any, kind: Kind):
    """But an error without a type is what gateways mean by it, and a broken object is not passed over."""
    assert DIALECT.classify(Event.make("message", data)) == kind


def test_a_stream_needs_its_terminal_event():
    """Without a message_stop the stream was cut."""
    assert DIALECT.has_terminal_event
    assert (DIALECT.name, DIALECT.response_id_header) == ("anthropic", "request-id")


def delta(**fields: Any) -> Event:
    return Event.make("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": fields})


def start(**block: Any) -> Event:
    return Event.make("message", {"type": "content_block_start", "index": 0, "content_block": block})


def message(*content: Any) -> Event:
    return Event.make("message_start", {"type": "message_start", "message": {"content": content}})


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
        pytest.param(Event.make("content_block_stop", b"not read"), None, id="other-event"),
        pytest.param(Event.make("message_delta", {"delta": {"type": "text_delta", "text": "x"}}), None, id="no-delta"),
        pytest.param(Event.make("message", b"keepalive"), None, id="unnamed-no-json"),
        pytest.param(Event.make("content_block_delta", b""), None, id="no-data"),
        pytest.param(start(type="text", text="Hi"), "Hi", id="start"),
        pytest.param(start(type="text", text=""), None, id="start-empty"),
        pytest.param(start(type="text", text=7), None, id="start-number"),
        pytest.param(start(type="thinking", thinking="Hm", text="Hm"), None, id="start-thinking"),
        pytest.param(message({"type": "text", "text": "a"}, {}, {"type": "text", "text": "b"}), "ab", id="message"),
        pytest.param(message(), None, id="message-empty"),
        pytest.param(Event.make("ping", b"not read"), None, id="D45-ping"),
    ],
)
def test_text_is_that_of_text_deltas(event: Event, text: str | None):
    """Thinking and tool input are not text; what has an odd shape carries none."""
    assert DIALECT.text(event) == text


@pytest.mark.parametrize("raw", [b'{"delta":', b"{\xff", b"{" * 100_000], ids=["D49-cut", "D49-bytes", "D49-deep"])
def test_a_delta_that_is_no_json_is_a_stream_error(raw: bytes):
    """Text that cannot be read is not silently left out."""
    with pytest.raises(StreamError, match="content_block_delta"):
        DIALECT.text(Event("content_block_delta", raw))


def test_the_text_of_a_repeated_start_counts_once():
    """As in the built message, whether the events have names or not."""
    first, later = message({"type": "text", "text": "a"}), message({"type": "text", "text": "b"})
    for events in ([first, later], [first, later.replace(type="message")], [later.replace(type="message"), first]):
        reader = DIALECT.reader(None)
        assert [reader.text(event) for event in events] == [DIALECT.text(events[0]), None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "delta", "text", "error", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


STOPPED = Event.make("content_block_stop", {"index": 0})


@pytest.mark.parametrize("name", ["content_block_start", "message"])
@pytest.mark.parametrize(
    ("type", "within", "after"),
    [
        ("text", False, False),
        ("thinking", True, False),
        ("redacted_thinking", True, False),
        ("compaction", True, False),
        ("tool_use", True, False),
        ("server_tool_use", True, True),
        ("mcp_tool_use", True, True),
        ("web_search_tool_result", False, False),
        ("fallback", False, False),
        ("of_tomorrow", False, False),
        (None, False, False),
    ],
)
def test_silence_is_normal_while_the_model_thinks_or_a_tool_works(name: str, type: str, within: bool, after: bool):
    """A server's tool works until its result."""
    reader = DIALECT.reader(None)
    assert not reader.quiet
    reader.classify(start(type=type).replace(type=name))
    reader.classify(Event("ping"))
    reader.classify(Event.make("content_block_delta", piece(type="text_delta", text="a")))
    assert reader.quiet == within
    reader.classify(STOPPED)
    assert reader.quiet == after
    reader.classify(start(type="text", text="a"))
    reader.classify(Event("content_block_start", b"{"))
    assert not reader.quiet


def test_a_tool_of_the_server_works_until_its_own_result():
    """Others may be done before it, and text may come in between."""
    reader = DIALECT.reader(None)
    seen: list[bool] = []
    for block in (
        {"type": "server_tool_use", "id": "a"},
        {"type": "mcp_tool_use", "id": "b"},
        {"type": "web_search_tool_result", "tool_use_id": "a"},
        {"type": "text", "text": "so far"},
        {"type": "mcp_tool_result", "tool_use_id": "b"},
    ):
        reader.classify(start(**block))
        seen.append(reader.quiet)
        reader.classify(STOPPED)
        seen.append(reader.quiet)
    assert seen == [True, True, True, True, False, True, False, True, False, False]


def test_tools_without_end_are_not_all_waited_for():
    """What a server sends is never kept without bound."""
    reader = DIALECT.reader(None)
    for number in range(2 * _MOST_TOOLS):
        reader.classify(start(type="server_tool_use", id=str(number)))
    assert len(reader._running) == _MOST_TOOLS


@given(data=JSON | st.binary(max_size=80), type=st.sampled_from(["message", "content_block_delta", "message_start"]))
def test_the_reader_says_what_the_dialect_says(data: Any, type: str):
    """It only writes the common case out."""
    event, reader = Event.make(type, data), DIALECT.reader(None)
    assert reader.classify(event) == DIALECT.classify(event)
    assert (reader.quiet, reader.complete_at_end()) == (DIALECT.quiet, DIALECT.complete_at_end())
    assert said(reader, event) == said(DIALECT, event)


def said(reader: Any, event: Event) -> Any:
    try:
        return reader.text(event)
    except StreamError as error:
        return error.message


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


def test_a_reader_shows_nothing_of_the_stream():
    """It is a local variable of the engine, and so in reports that show those."""
    reader = DIALECT.reader(None)
    reader.classify(Event.make("message_start", {"message": {"id": "canary"}}))
    reader.classify(start(type="server_tool_use", id="canary"))
    assert "canary" not in repr(reader)
