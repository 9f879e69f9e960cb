"""What each event means, whose text it has, its counts, and where silence is normal."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Event, Request, Usage
from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE
from unbroken.errors import ConfigurationError, Error, StreamError
from unbroken.messages import Summary
from unbroken.registry import resolve_dialect
from unbroken_anthropic import MessageBuilder, TextDelta
from unbroken_bedrock import Bedrock
from unbroken_bedrock._framing import BEDROCK_EVENTS, MESSAGES

from .bedrock_frames import (
    BASE,
    CONVERSE,
    COUNTS,
    INVOKE,
    LAST,
    METADATA,
    START,
    STOP,
    TALK,
    body,
    chunk,
    delta,
    message,
)

END = TERMINAL | USAGE
OPENAI = {"id": "c", "object": "chat.completion.chunk"}
NAMES = [
    *("delta", "text", "usage", "error", "message", "start", "stopReason", "toolUse", "reasoningContent", "metadata"),
    *("messageStop", "contentBlockDelta", "generation", "outputText", "outputs", "choices", "stop_reason", "type"),
    *("__type", "originalStatusCode", "amazon-bedrock-invocationMetrics", "inputTokens", "Output", "bytes", "content"),
]
TYPES = ["chunk", *MESSAGES, *dict(TALK), "contentBlockStart", "exception:", "error:x", "initial-response"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


def reader(path: str = CONVERSE, **settings: Any) -> Any:
    request = Request.build("POST", BASE + path, json={})
    return Bedrock(**settings).reader(SimpleNamespace(id="req_1", current=request, response=None))


def event(type: str, data: Any) -> Event:
    return Event.make(type, data if isinstance(data, bytes) else json.dumps(data))


def opened(*inner: Any) -> list[Event]:
    return BEDROCK_EVENTS.decoder(10**6).feed(body(*map(chunk, inner)))


def kinds(answer: Any, *events: Any) -> list[Any]:
    return [answer.classify(each if isinstance(each, Event) else event(*each)) for each in events]


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (START, PREAMBLE),
        (("contentBlockStart", {"start": {}}), STRUCTURE),
        (delta(text="a"), CONTENT),
        (delta(text=""), KEEPALIVE),
        (delta(), KEEPALIVE),
        (delta(reasoningContent={"text": "hm"}), CONTENT),
        (delta(reasoningContent={"text": ""}), KEEPALIVE),
        (delta(reasoningContent={"redactedContent": "aGk="}), CONTENT),
        (delta(toolUse={"input": "{"}), CONTENT),
        (delta(toolUse={"input": ""}), KEEPALIVE),
        (delta(toolResult=[{"text": "a"}]), CONTENT),
        (delta(new=7), CONTENT),
        (("contentBlockDelta", {"delta": []}), KEEPALIVE),
        (("contentBlockDelta", b"{"), CONTENT),
        (("contentBlockStop", {}), STRUCTURE),
        (("messageStart", b"{"), KEEPALIVE),
        (STOP, CONTENT),
        (("messageStop", {}), KEEPALIVE),
        (("messageStop", {"stopReason": 7}), KEEPALIVE),
        (METADATA, PREAMBLE | USAGE),
        (("exception:throttlingException", {}), ERROR),
        (("error:InternalError", b""), ERROR),
        (("initial-response", {}), KEEPALIVE),
        (("message_stop", {}), KEEPALIVE),
        (("chunk", LAST), KEEPALIVE),
    ],
    ids=repr,
)
def test_the_kind_of_an_event_of_converse(frame, kind):
    """The events of an invoked model prove nothing here."""
    assert kinds(reader(), frame) == [kind]


@pytest.mark.parametrize(
    ("frames", "last"),
    [
        ([STOP, METADATA], END),
        ([METADATA, STOP], TERMINAL),
        ([STOP, ("metadata", {"metrics": {}})], END),
        ([("messageStop", {}), METADATA], PREAMBLE | USAGE),
    ],
    ids=["in-order", "metadata-first", "without-counts", "without-a-reason"],
)
def test_an_answer_needs_its_stop_and_its_metadata(frames, last):
    """In any order."""
    assert kinds(reader(), *frames)[-1] == last


def test_a_stop_can_be_enough():
    """By the setting for servers without metadata; and at the end of the body, for all."""
    assert kinds(reader(proof="message_stop"), STOP) == [TERMINAL]
    answer = reader()
    assert not answer.complete_at_end()
    answer.classify(event(*STOP))
    assert answer.complete_at_end()
    with pytest.raises(ConfigurationError, match="proof"):
        Bedrock(proof="done")


@pytest.mark.parametrize(
    ("frames", "quiet"),
    [
        ([delta(text="a")], False),
        ([delta(reasoningContent={"text": "a"})], True),
        ([delta(reasoningContent={"text": "a"}), delta(text="a")], False),
        ([("contentBlockStart", {"start": {"toolUse": {"name": "f"}}})], True),
        ([("contentBlockStart", {"start": {"toolUse": {"name": "f"}}}), ("contentBlockStop", {})], False),
        ([("contentBlockStart", {"start": {}})], False),
        ([delta(toolUse={"input": "{"})], True),
    ],
    ids=["text", "reasoning", "text-behind", "tool", "tool-closed", "text-block", "input"],
)
def test_silence_is_normal_in_reasoning_and_in_the_input_of_a_tool(frames, quiet):
    answer = reader()
    kinds(answer, *frames)
    assert answer.quiet is quiet


@pytest.mark.parametrize("path", [INVOKE, "/chat"], ids=["invoke", "gateway"])
def test_the_events_of_anthropic_are_those_of_its_dialect(path):
    """Its reader tells what they mean; a builder makes the message of them."""
    answer, events = reader(path), opened(*message("Hel|lo"))
    expected = [PREAMBLE | USAGE, STRUCTURE, CONTENT, CONTENT, STRUCTURE, CONTENT | USAGE, TERMINAL]
    assert kinds(answer, *events) == expected
    assert "".join(answer.text(each) or "" for each in events) == "Hello"
    assert answer.summary == Summary(id="msg_bdrk_1", model="claude", finish_reasons=("end_turn",))
    assert not answer.complete_at_end()
    builder = MessageBuilder()
    for each in events:
        builder.add(each)
    assert builder.message().text == "Hello"
    typed = Bedrock().typed(events[2])
    assert isinstance(typed.delta, TextDelta)
    assert Bedrock().usage(events[0]) == Usage(input_tokens=9, output_tokens=1)
    assert [Bedrock().text(events[2]), Bedrock().classify(events[-1])] == ["Hel", TERMINAL]


def test_thinking_of_anthropic_is_quiet():
    answer = reader(INVOKE)
    kinds(answer, *opened({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}}))
    assert answer.quiet


def test_a_message_without_its_reason_is_no_success():
    answer = reader(INVOKE)
    start, *_, stop = opened(*message())
    assert kinds(answer, start, stop) == [PREAMBLE | USAGE, ERROR]


@pytest.mark.parametrize(
    ("chunks", "text", "reason"),
    [
        pytest.param(
            [{"generation": "Hel", "stop_reason": None}, {"generation": "lo", "stop_reason": "stop"} | LAST],
            "Hello",
            "stop",
            id="llama",
        ),
        pytest.param(
            [
                {"outputText": "Hel", "index": 0, "completionReason": None},
                {"outputText": "lo", "completionReason": "FINISH"} | LAST,
            ],
            "Hello",
            "FINISH",
            id="titan",
        ),
        pytest.param(
            [
                {"outputs": [{"text": "Hel", "stop_reason": None}]},
                {"outputs": [{"text": "lo", "stop_reason": "length"}]} | LAST,
            ],
            "Hello",
            "length",
            id="mistral",
        ),
        pytest.param(
            [
                {"text": "Hel", "is_finished": False},
                {"text": "lo"},
                {"is_finished": True, "finish_reason": "COMPLETE"} | LAST,
            ],
            "Hello",
            "COMPLETE",
            id="cohere",
        ),
        pytest.param(
            [
                {"event_type": "stream-start", "text": "no"},
                {"event_type": "text-generation", "text": "Hello"},
                {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": "Hello"}} | LAST,
            ],
            "Hello",
            "COMPLETE",
            id="command-r",
        ),
        pytest.param(
            [
                {"type": "content-delta", "delta": {"message": {"content": {"text": "Hello"}}}},
                {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}} | LAST,
            ],
            "Hello",
            "COMPLETE",
            id="command-a",
        ),
        pytest.param(
            [{"type": "completion", "completion": "Hello"}, {"type": "completion", "stop_reason": "stop"} | LAST],
            "Hello",
            "stop",
            id="old-claude",
        ),
        pytest.param(
            [
                OPENAI | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
                OPENAI | {"choices": [{"index": 0, "delta": {"content": "Hello"}}]},
                OPENAI | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]} | LAST,
            ],
            "Hello",
            "stop",
            id="openai",
        ),
        pytest.param(
            [
                {"messageStart": {"role": "assistant"}},
                {"contentBlockDelta": {"delta": {"text": "Hello"}, "contentBlockIndex": 0}},
                {"contentBlockStop": {"contentBlockIndex": 0}},
                {"messageStop": {"stopReason": "end_turn"}},
                {"metadata": {"usage": {"inputTokens": 9, "outputTokens": 2}}} | LAST,
            ],
            "Hello",
            "end_turn",
            id="nova",
        ),
    ],
)
def test_the_chunks_of_other_models(chunks, text, reason):
    """Each maker has a form of its own; all end with Bedrock's metrics."""
    answer, events = reader(INVOKE), opened(*chunks)
    told = kinds(answer, *events)
    assert (told[-1], [each for each in told[:-1] if each & TERMINAL]) == (END, [])
    assert "".join(answer.text(each) or "" for each in events) == text
    assert "".join(Bedrock().text(each) or "" for each in events) == text
    assert answer.summary == Summary(finish_reasons=(reason,))
    assert answer.complete_at_end()
    assert Bedrock().usage(events[-1]) == Usage(input_tokens=9, output_tokens=2, final=True)


@pytest.mark.parametrize(
    ("inner", "kind"),
    [
        (b"", KEEPALIVE),
        ({}, KEEPALIVE),
        ([], KEEPALIVE),
        (b"{", CONTENT),
        ({"error": {"message": "no"}}, ERROR),
        ({"new": 1}, CONTENT),
        ({"choices": [{"delta": {"role": "assistant"}}]}, KEEPALIVE),
        ({"choices": [7]}, KEEPALIVE),
        ({"choices": [{"delta": {"tool_calls": [{}]}}]}, CONTENT),
        ({"choices": [{"text": "a"}]}, CONTENT),
        ({"amazon-bedrock-invocationMetrics": None}, KEEPALIVE),
        ({"messageStop": {"stopReason": "x"}}, CONTENT),
        ({"type": ["message_stop"]}, CONTENT),
    ],
    ids=repr,
)
def test_odd_chunks(inner, kind):
    answer = reader(INVOKE)
    assert kinds(answer, *opened(inner)) == [kind]
    assert kinds(answer, ("messageStop", {"stopReason": "x"})) == [KEEPALIVE]  # that of the other API
    assert not answer.complete_at_end() or "messageStop" in inner


def test_what_is_no_json_has_no_text_but_an_error():
    """A text that lacks a piece is worse than an error."""
    for each in (Event("contentBlockDelta", b"{"), Event("chunk", b"{")):
        for reads in (reader(INVOKE).text, Bedrock().text):
            with pytest.raises(StreamError):
                reads(each)
    assert [Bedrock().text(Event(type, b"")) for type in ("chunk", "metadata")] == [None, None]


@pytest.mark.parametrize(
    ("data", "usage"),
    [
        ({"usage": COUNTS}, Usage(input_tokens=9, output_tokens=2, final=True)),
        (
            {"usage": COUNTS | {"cacheReadInputTokens": 100, "cacheWriteInputTokens": 7}},
            Usage(input_tokens=9, output_tokens=2, cache_read_tokens=100, cache_write_tokens=7, final=True),
        ),
        (
            {"usage": {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3}},
            Usage(input_tokens=1, output_tokens=2, cache_read_tokens=3, final=True),
        ),
        ({"usage": {"prompt_tokens": 1}}, Usage(input_tokens=1)),
        (
            {"prompt_token_count": 1, "generation_token_count": 2},
            Usage(input_tokens=1, output_tokens=2, final=True),
        ),
        ({"metadata": {"usage": COUNTS}}, Usage(input_tokens=9, output_tokens=2, final=True)),
        ({"usage": {"inputTokens": True, "outputTokens": -1}}, None),
        ([], None),
        (b"{", None),
    ],
    ids=repr,
)
def test_usage_of_metadata_and_plain_answers(data, usage):
    """Tokens of the cache are not part of the input, as AWS counts them."""
    assert Bedrock().usage(event("response", data)) == usage


@pytest.mark.parametrize(
    ("path", "asks"),
    [(CONVERSE, True), (INVOKE + "/", True), ("/model/m/converse", False), ("/model/m/invoke", False)],
)
def test_the_path_tells_whether_a_stream_is_asked_for(path, asks):
    request = Request.build("POST", BASE + path, json={"stream": not asks})
    assert resolve_dialect("bedrock").asks_for_stream(request) is asks


@given(
    frames=st.lists(st.tuples(st.sampled_from(TYPES), ANY_JSON), max_size=6),
    path=st.sampled_from([CONVERSE, INVOKE, "/"]),
)
def test_arbitrary_json_raises_nothing_foreign(frames, path):
    answer, dialect = reader(path), Bedrock()
    for type, document in frames:
        each = event(type, document)
        assert answer.classify(each)
        assert dialect.classify(each)
        dialect.usage(each)
        assert isinstance(dialect.error_from_event(each), Error)
        for reads in (answer.text, dialect.text, dialect.typed):
            try:
                reads(each)
            except StreamError:
                assert type in MESSAGES
    assert isinstance(answer.summary, Summary)
    assert answer.complete_at_end() in (True, False)
    assert answer.quiet in (True, False)
