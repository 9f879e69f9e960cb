"""What the events of the OpenAI APIs, and the chunks of compatible servers, are to the engine."""

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unbroken.dialect import CONTENT, ERROR, HIDDEN, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE, Kind
from unbroken.errors import StreamError
from unbroken.messages import Event
from unbroken_openai import OpenAI
from unbroken_openai._reader import OpenAIReader

DIALECT = OpenAI()

NAMED = [
    pytest.param("response.queued", PREAMBLE, id="queued"),
    pytest.param("response.created", PREAMBLE, id="created"),
    pytest.param("response.in_progress", PREAMBLE, id="in-progress"),
    pytest.param("response.output_item.added", PREAMBLE, id="item-added"),
    pytest.param("response.content_part.added", PREAMBLE, id="part-added"),
    pytest.param("response.reasoning_summary_part.added", PREAMBLE, id="summary-part-added"),
    pytest.param("response.output_text.delta", CONTENT, id="text"),
    pytest.param("response.refusal.delta", CONTENT, id="refusal"),
    pytest.param("response.function_call_arguments.delta", CONTENT, id="tool-input"),
    pytest.param("response.reasoning_summary_text.delta", CONTENT, id="reasoning"),
    pytest.param("response.web_search_call.searching", CONTENT, id="tool-state"),
    pytest.param("response.some_new_event", CONTENT, id="unknown"),
    pytest.param("response.completed", TERMINAL | USAGE, id="completed"),
    pytest.param("response.incomplete", TERMINAL | USAGE, id="incomplete"),
    pytest.param("response.done", TERMINAL | USAGE, id="done"),
    pytest.param("response.failed", ERROR | USAGE, id="failed"),
    pytest.param("response.error", ERROR | USAGE, id="response-error"),
    pytest.param("response.cancelled", ERROR | USAGE, id="cancelled"),
    pytest.param("response.canceled", ERROR | USAGE, id="canceled"),
    pytest.param("error", ERROR | USAGE, id="error"),
    pytest.param("keepalive", KEEPALIVE, id="keepalive"),
    pytest.param("ping", KEEPALIVE, id="ping"),
]


@pytest.mark.parametrize(("type", "kind"), NAMED)
def test_an_event_of_the_responses_api_is_what_its_name_says(type: str, kind: Kind):
    """The data does not matter, even when it disagrees or cannot be read."""
    assert DIALECT.classify(Event.make(type, {"type": type, "sequence_number": 3})) == kind
    assert DIALECT.classify(Event.make(type, {"type": "response.completed"})) == kind
    assert DIALECT.classify(Event(type, b"not json")) == kind


@pytest.mark.parametrize(("type", "kind"), NAMED)
def test_without_its_name_it_is_what_its_data_says(type: str, kind: Kind):
    """A proxy that drops the names does not make a complete stream look cut."""
    assert DIALECT.classify(Event.make("message", {"sequence_number": 3, "type": type})) == kind


def chunk(*choices: Any, **fields: Any) -> dict[str, Any]:
    """Make a chunk of Chat Completions with `choices`."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test"}
    return {**head, "choices": list(choices), **fields}


def choice(finish_reason: str | None = None, index: int = 0, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def unnamed(data: Any) -> Event:
    return Event.make("message", data)


COUNTS = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
TOOL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
AZURE = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(chunk(choice(role="assistant", content="")), KEEPALIVE, id="role-alone"),
        pytest.param(chunk(choice(role="assistant", content="", refusal=None)), KEEPALIVE, id="role-and-null-refusal"),
        pytest.param(
            chunk(choice(role="assistant", content=None, reasoning_content="")), KEEPALIVE, id="deepseek-role"
        ),
        pytest.param(chunk(choice(content="", tool_calls=[])), KEEPALIVE, id="nothing-yet"),
        pytest.param(chunk(**AZURE), KEEPALIVE, id="azure-prompt-filter"),
        pytest.param(chunk(moderation={"input": {}}), KEEPALIVE, id="moderation"),
        pytest.param(chunk(choice(content="Hello")), CONTENT, id="content"),
        pytest.param(chunk(choice(content="Hello"), usage=None, obfuscation="aBc"), CONTENT, id="obfuscation"),
        pytest.param(chunk(choice(role="assistant", content="Hello")), CONTENT, id="role-with-content"),
        pytest.param(chunk(choice(content=[{"type": "text", "text": ""}])), KEEPALIVE, id="empty-part"),
        pytest.param(chunk(choice(content=[{"type": "text", "text": "a"}])), CONTENT, id="part"),
        pytest.param(chunk(choice(content=[{"type": "image", "url": "a"}])), CONTENT, id="part-of-another-type"),
        pytest.param(chunk(choice(refusal="I cannot")), CONTENT, id="refusal"),
        pytest.param(chunk(choice(tool_calls=[TOOL])), CONTENT, id="tool-call"),
        pytest.param(chunk(choice(function_call={"arguments": "{"})), CONTENT, id="function-call"),
        pytest.param(chunk(choice(content=None, reasoning_content="Hm")), CONTENT, id="deepseek-reasoning"),
        pytest.param(chunk(choice(content="", reasoning="Hm")), CONTENT, id="vllm-reasoning"),
        pytest.param(chunk(choice(audio={"data": "AAAA"})), CONTENT, id="audio"),
        pytest.param(chunk(choice(some_new_thing="x")), CONTENT, id="unknown-delta"),
        pytest.param(chunk(choice(content=""), choice(index=1, content="Hi")), CONTENT, id="second-choice"),
        pytest.param(chunk(choice("stop")), CONTENT, id="finish-reason"),
        pytest.param(chunk(choice("content_filter", content="")), CONTENT, id="filtered"),
        pytest.param(chunk(choice("stop"), usage=COUNTS), CONTENT | USAGE, id="finish-reason-with-usage"),
        pytest.param(chunk(choice(content="a"), usage=COUNTS), CONTENT | USAGE, id="continuous-usage"),
        pytest.param(chunk(usage=COUNTS), STRUCTURE | USAGE, id="usage-alone"),
        pytest.param(chunk(choice(role="assistant", content=""), usage=COUNTS), KEEPALIVE | USAGE, id="role-and-usage"),
        pytest.param({"choices": [{"index": 0, "text": "a"}]}, CONTENT, id="completions-of-old"),
        pytest.param({"choices": ["x"]}, CONTENT, id="choice-is-text"),
        pytest.param({"choices": {}}, KEEPALIVE, id="choices-is-object"),
        pytest.param({"choices": [{"delta": ["x"]}]}, CONTENT, id="delta-is-list"),
        pytest.param({"choices": [{"delta": {"content": 7}}]}, CONTENT, id="content-is-number"),
        pytest.param({"error": {"message": "no"}}, ERROR | USAGE, id="error"),
        pytest.param({"error": "no"}, ERROR | USAGE, id="error-is-text"),
        pytest.param(
            chunk(choice("error", content=""), error={"code": 502}), ERROR | USAGE, id="openrouter-error-in-a-chunk"
        ),
        pytest.param(chunk(choice(content="a"), error={"code": 502}), ERROR | USAGE, id="error-beside-content"),
        pytest.param(chunk(choice(content="a"), error=None), CONTENT, id="null-error"),
        pytest.param(chunk(error={}), KEEPALIVE, id="empty-error"),
        pytest.param(chunk(choice(content="a"), type="response.completed"), TERMINAL | USAGE, id="type-goes-first"),
        pytest.param({"type": ["error"]}, KEEPALIVE, id="type-is-list"),
        pytest.param({}, KEEPALIVE, id="nothing"),
        pytest.param([1], KEEPALIVE, id="no-object"),
        pytest.param(b"[" * 100_000, KEEPALIVE, id="deep"),
        pytest.param(b"\xff", KEEPALIVE, id="not-utf-8"),
        pytest.param(b'{"choices":[', CONTENT, id="cut"),
        pytest.param(b"", KEEPALIVE, id="empty"),
        pytest.param(b'{"choices":[{"delta":{},"logprobs":1e999}]}', CONTENT, id="huge-number"),
    ],
)
def test_a_chunk_is_what_the_model_has_said_in_it(data: Any, kind: Kind):
    """It is content with the first thing beyond a role, and counts may come with anything."""
    assert DIALECT.classify(unnamed(data)) == kind


@pytest.mark.parametrize("data", [b"[DONE]", b" [DONE]", b"[DONE]\r"], ids=["plain", "spaces", "carriage-return"])
def test_done_ends_the_stream(data: bytes):
    """The only event that proves it complete, and no JSON."""
    assert DIALECT.classify(Event("message", data)) == TERMINAL | HIDDEN
    assert DIALECT.text(Event("message", data)) is None


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("[DONE]", id="done"),
        pytest.param("error", id="the-word-error"),
        pytest.param('"error":{"message":"x"}', id="an-error-object"),
        pytest.param('{"error": "x"}', id="an-error-document"),
        pytest.param('"usage":{"prompt_tokens":1}', id="usage"),
        pytest.param('","finish_reason":"stop","type":"error', id="structure"),
        pytest.param('"type":"response.completed"', id="terminal"),
        pytest.param("\\", id="backslash"),
    ],
)
def test_what_a_model_says_is_never_taken_for_what_the_server_says(said: str):
    """Text that looks like an error, like counts or like the end is text."""
    event = unnamed(chunk(choice(content=said)))
    assert DIALECT.classify(event) == CONTENT
    assert DIALECT.text(event) == said
    assert DIALECT.classify(unnamed(chunk(choice(tool_calls=[{"function": {"arguments": said}}])))) == CONTENT
    assert DIALECT.classify(Event.make("response.output_text.delta", {"delta": said})) == CONTENT


@pytest.mark.parametrize("spaces", [False, True], ids=["compact", "with-spaces"])
def test_white_space_between_names_and_values_does_not_matter(spaces: bool):
    """Some servers write JSON with spaces."""
    for data, kind in ((chunk(choice(content="a")), CONTENT), ({"error": {"code": 500}}, ERROR | USAGE)):
        raw = msgspec.json.encode(data)
        assert DIALECT.classify(Event("message", msgspec.json.format(raw, indent=2 if spaces else -1))) == kind


def test_a_stream_needs_its_terminal_event():
    """Without [DONE], or the end of the response, the stream was cut."""
    assert DIALECT.has_terminal_event
    assert (DIALECT.name, DIALECT.response_id_header) == ("openai", "x-request-id")


@pytest.mark.parametrize(
    ("event", "text"),
    [
        pytest.param(unnamed(chunk(choice(content="Hello"))), "Hello", id="content"),
        pytest.param(unnamed(chunk(choice(content=""))), "", id="empty"),
        pytest.param(unnamed(chunk(choice(index=1, content="b"), choice(content="a"))), "a", id="of-the-first-answer"),
        pytest.param(unnamed(chunk(choice(index=1, content="b"))), "b", id="of-the-only-answer"),
        pytest.param(unnamed({"choices": [{"delta": {"content": "a"}}]}), "a", id="no-index"),
        pytest.param(unnamed(chunk(choice(refusal="No"))), None, id="refusal"),
        pytest.param(unnamed(chunk(choice(reasoning_content="Hm", content=None))), None, id="reasoning"),
        pytest.param(unnamed(chunk(choice(tool_calls=[TOOL]))), None, id="tool-call"),
        pytest.param(unnamed(chunk(choice("stop"))), None, id="finish-reason"),
        pytest.param(unnamed(chunk(usage=COUNTS)), None, id="usage"),
        pytest.param(unnamed({"choices": "x"}), None, id="choices-is-text"),
        pytest.param(unnamed({"choices": [7, {"delta": 7}]}), None, id="choice-is-number"),
        pytest.param(unnamed([1]), None, id="no-object"),
        pytest.param(unnamed(b'{"choices":[{"delta":{"content":"a"}}],"x":1e999}'), "a", id="huge-number-elsewhere"),
        pytest.param(Event.make("response.output_text.delta", {"delta": "Hello"}), "Hello", id="responses"),
        pytest.param(
            unnamed({"type": "response.output_text.delta", "delta": "Hello"}), "Hello", id="responses-unnamed"
        ),
        pytest.param(Event.make("response.output_text.delta", {"delta": 7}), None, id="delta-is-number"),
        pytest.param(unnamed({"type": ["x"], "delta": "x"}), None, id="type-is-list"),
        pytest.param(Event.make("response.output_text.done", {"text": "Hello"}), None, id="repeated-at-the-end"),
        pytest.param(Event.make("response.refusal.delta", {"delta": "No"}), None, id="responses-refusal"),
        pytest.param(Event("response.completed", b"not read"), None, id="other-event"),
        pytest.param(Event("foreign", b"not read"), None, id="foreign-event"),
    ],
)
def test_text_is_that_of_the_first_answer(event: Event, text: str | None):
    """Reasoning, refusals and tool calls are not text; what has an odd shape carries none."""
    assert DIALECT.text(event) == text


@pytest.mark.parametrize("raw", [b'{"choices":', b" {", b"{" * 100_000], ids=["cut", "start", "deep"])
@pytest.mark.parametrize("type", ["message", "response.output_text.delta"])
def test_a_chunk_that_is_no_json_is_a_stream_error(type: str, raw: bytes):
    """Text that cannot be read is not silently left out; what does not even begin like JSON is a keep-alive."""
    with pytest.raises(StreamError, match=type):
        DIALECT.text(Event(type, raw))


NAMES = st.sampled_from(
    ["type", "choices", "delta", "content", "role", "error", "usage", "finish_reason", "index", "x"]
)
WORDS = st.sampled_from(["", "a", "error", "[DONE]", '"error":', "response.completed"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
DELTAS = st.fixed_dictionaries(
    {}, optional={"content": WORDS, "role": WORDS, "reasoning": VALUES, "tool_calls": VALUES, "x": VALUES}
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "delta": DELTAS | VALUES,
        "text": WORDS | VALUES,
        "message": DELTAS,
        "finish_reason": VALUES,
        "index": VALUES,
        "error": VALUES,
    },
)
CHUNKS = st.fixed_dictionaries(
    {"choices": st.lists(CHOICES, max_size=2) | VALUES}, optional={"error": VALUES, "usage": VALUES, "type": VALUES}
)


def begun() -> OpenAIReader:
    """Return a reader that knows the choice with index 0, so that it may take the short way."""
    reader = OpenAIReader("done")
    reader.classify(unnamed(chunk(choice(role="assistant"))))
    return reader


@given(data=CHUNKS | VALUES)
@example(data={"choices": [{"delta": {"content": "a"}}], "type": "error"})
@example(data={"choices": [{"delta": {"content": "a"}, "finish_reason": ""}]})
@example(data={"choices": [{"delta": {"content": "a"}}], "usage": 5})
@example(data={"choices": [{"delta": {"content": "a"}}], "usage": {}})
@example(data={"choices": [{"text": "a"}], "usage": {"total_tokens": 5}})
@example(data={"choices": [{"text": "a", "message": {"content": "b"}}]})
def test_the_short_way_says_what_the_whole_document_says(data: Any):
    """The typed look at a chunk is only a faster one."""
    event = unnamed(data)
    whole = begun()
    assert begun().classify(event) == whole._kind_by_data(event)


def text(read: Any, type: str, raw: bytes) -> str | None:
    try:
        return read(Event(type, raw))
    except StreamError as error:
        return error.message


@given(
    data=CHUNKS | VALUES,
    type=st.sampled_from(["message", "response.output_text.delta", "chunk"]),
    cut=st.tuples(
        st.integers(0, 60), st.sampled_from([0, 0, 1, 4]), st.sampled_from([b"", b"\xff", b"\xc3\xbc", b"0"])
    ),
)
@example(data={"choices": [{"delta": {"content": "a"}}], "x": "b"}, type="message", cut=(41, 0, b"\xff"))
@example(data={"choices": [{"delta": {"content": "a"}, "index": False}]}, type="message", cut=(0, 0, b""))
def test_the_text_is_that_of_the_whole_document(data: Any, type: str, cut: tuple[int, int, bytes]):
    """Of whole chunks and of damaged ones; what is skipped is looked at, too."""
    at, length, other = cut
    raw = msgspec.json.encode(data)
    raw = raw[:at] + other + raw[at + length :]
    assert text(begun().text, type, raw) == text(begun()._text_by_data, type, raw)


@given(data=CHUNKS | VALUES, type=st.sampled_from(["message", "response.output_text.delta", "error", "x"]))
def test_no_shape_of_json_breaks_the_reading(data: Any, type: str):
    """JSON of any shape is classified, and has text and usage or none."""
    event = Event.make(type, msgspec.json.encode(data))
    assert isinstance(DIALECT.classify(event), Kind)
    assert DIALECT.text(event) is None or isinstance(data, dict | list)
    assert DIALECT.usage(event) is None or isinstance(data, dict | list)


@given(raw=st.binary(max_size=80), type=st.sampled_from(["message", "response.output_text.delta", "error", "x"]))
def test_no_bytes_break_the_classification(raw: bytes, type: str):
    """Only the text of what should be JSON may fail, and only with a StreamError."""
    event = Event(type, raw)
    assert isinstance(DIALECT.classify(event), Kind)
    try:
        DIALECT.text(event)
    except StreamError:
        assert raw.lstrip().startswith(b"{")
        assert type in {"message", "response.output_text.delta", "x"}
