"""The vendor's own SDK as the judge of what a stream's message is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unbroken import Event
from unbroken.sse import SSEDecoder
from unbroken.testing import BACKENDS, Answer, play, sse
from unbroken_anthropic import MessageBuilder

from .sdk import assert_same, theirs


def ours(events: list[Event]) -> dict[str, Any]:
    builder = MessageBuilder()
    for event in events:
        builder.add(event)
    return builder.message().to_dict()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rich_stream_is_the_message_of_the_sdk(rich: bytes, backend: Any) -> None:
    """Thinking, citations, tools, a server's tool, unknown things, counts; through whole calls (D45, D46, D53)."""
    whole = theirs(rich)
    played = play([Answer(body=rich)], dialect="anthropic", backend=backend)
    assert_same(ours(played.events), whole)
    assert [block["type"] for block in whole["content"]].count("tool_use") == 2


def test_every_snapshot_has_the_text_of_the_sdks(rich: bytes) -> None:
    """After each event; only open tools differ, of which the SDK shows guesses (D52)."""
    from anthropic.lib.streaming._messages import accumulate_event

    builder, kept, buffers = MessageBuilder(), None, {}
    for event in SSEDecoder().feed(rich):
        builder.add(event)
        if event.type in {"ping", "weather_report"}:
            continue
        kept = accumulate_event(event=event.json(), current_snapshot=kept, json_bufs=buffers)
        for mine, other in zip(builder.snapshot().to_dict()["content"], kept.content, strict=True):
            known = {"text": getattr(other, "text", None), "thinking": getattr(other, "thinking", None)}
            assert {name: mine.get(name) for name in known} == known
            assert "partial_json" in mine or mine.get("input") == getattr(other, "input", None)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | st.lists(st.integers(0, 9), max_size=2)
INPUT = st.dictionaries(TEXT, VALUES, max_size=3)
CITATION = TEXT.map(
    lambda text: {
        "type": "char_location",
        "cited_text": text,
        "document_index": 0,
        "document_title": None,
        "start_char_index": 0,
        "end_char_index": len(text),
    }
)


@st.composite
def pieces(draw: st.DrawFn, whole: str) -> list[str]:
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


@st.composite
def blocks(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a block starts, and its deltas."""
    kind = draw(st.sampled_from(["text", "thinking", "tool_use", "server_tool_use", "redacted_thinking"]))
    if kind == "text":
        deltas = [{"type": "text_delta", "text": piece} for piece in draw(pieces(draw(TEXT)))]
        deltas += [{"type": "citations_delta", "citation": it} for it in draw(st.lists(CITATION, max_size=2))]
        return {"type": kind, "text": ""}, draw(st.permutations(deltas))
    if kind == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in draw(pieces(draw(TEXT)))]
        deltas += [{"type": "signature_delta", "signature": it} for it in draw(st.lists(TEXT, max_size=2))]
        return {"type": kind, "thinking": "", "signature": ""}, deltas
    if kind == "redacted_thinking":
        return {"type": kind, "data": draw(TEXT)}, []
    written = draw(INPUT.map(json.dumps) | st.just(""))
    start = {"type": kind, "id": "t", "name": "web_search", "input": {}}
    return start, [{"type": "input_json_delta", "partial_json": piece} for piece in draw(pieces(written))]


COUNTS = st.fixed_dictionaries(
    {"output_tokens": st.integers(1, 999)},
    optional={"input_tokens": st.just(9) | st.none(), "cache_read_input_tokens": st.just(3)},
)


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[str, dict[str, Any]]]:
    """Any message, in the order of the API, with pings anywhere."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, (start, deltas) in enumerate(draw(st.lists(blocks(), max_size=3))):
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    for counts in sorted(draw(st.lists(COUNTS, min_size=1, max_size=2)), key=lambda it: it["output_tokens"]):
        events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": counts})
    events.append({"type": "message_stop"})
    for place in draw(st.lists(st.integers(0, len(events) - 1), max_size=2)):
        events.insert(place, {"type": "ping"})
    return [(event["type"], event) for event in events]


@settings(max_examples=40, deadline=None)
@given(streams())
def test_any_stream_is_the_message_of_the_sdk(stream: list[tuple[str, dict[str, Any]]]) -> None:
    """Whatever the blocks are and however they are cut."""
    body = sse(*stream)
    assert_same(ours(SSEDecoder().feed(body)), theirs(body))
