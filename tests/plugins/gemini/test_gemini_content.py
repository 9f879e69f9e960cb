"""Typed chunks, and the content that a builder makes of them."""

from typing import Any

import pytest

from unbroken import Event, OverloadedError, StreamError, TruncatedStreamError, Usage
from unbroken_gemini import (
    Candidate,
    Content,
    ContentBuilder,
    FunctionCall,
    Gemini,
    GenerateContentResponse,
    Part,
    UsageMetadata,
)

from .chunks import CALL, DONE, HELLO, OVERLOADED, SIGNED, THINKING, candidate, chunk, counts, said


def event(pair: tuple[str, Any], name: str = "message") -> Event:
    return Event.make(name, pair[1], dialect=Gemini())


def built(*events: tuple[str, Any]) -> ContentBuilder:
    builder = ContentBuilder()
    for each in events:
        builder.add(event(each))
    return builder


def test_a_chunk_is_an_object_of_its_class() -> None:
    """Fields that are not known are passed over."""
    parts = (
        Part(text="lo "),
        Part(
            function_call=FunctionCall(name="open_gate", args={"gate": 1, "note": None}), thought_signature="Y2FsbA=="
        ),
    )
    typed = event(THINKING[3]).typed()
    assert typed == GenerateContentResponse(
        candidates=(Candidate(index=0, content=Content(role="model", parts=parts)),),
        usage_metadata=UsageMetadata(prompt_token_count=9, candidates_token_count=3, thoughts_token_count=5),
        model_version="gemini-test",
        response_id="resp-1",
    )
    assert (typed.text, typed.function_calls) == ("lo ", (parts[1].function_call,))
    thought = event(said({"text": "x", "thought": True, "new": 1}, "y")).typed()
    assert (thought.text, len(thought.parts)) == ("y", 2)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"{", b"keepalive"])
def test_a_keepalive_is_no_chunk(data: bytes) -> None:
    """It stays the event."""
    keepalive = Event("message", data, _dialect=Gemini())
    assert keepalive.typed() is keepalive


def test_null_is_nothing() -> None:
    """For every field."""
    typed = event(chunk({"content": None, "finishReason": None, "index": None})).typed()
    assert (typed.text, typed.parts, typed.function_calls) == ("", (), ())
    assert event(chunk({"content": {"parts": None}})).typed().parts == ()
    assert event(chunk()).typed().parts == ()


def test_data_that_does_not_fit_says_where() -> None:
    """And does not repeat the data."""
    with pytest.raises(StreamError, match=r"candidates\[0\].finishReason") as raised:
        event(chunk({"finishReason": ["secret"]})).typed()
    assert "secret" not in str(raised.value)


def test_the_content_has_all_that_the_next_request_needs() -> None:
    """Texts are joined, signatures and calls are as they came."""
    assert built(*HELLO).content() == {"role": "model", "parts": [{"text": "Hello"}, SIGNED]}
    builder = built(*THINKING)
    assert builder.content() == {
        "role": "model",
        "parts": [{"text": "Let me see further", "thought": True}, {"text": "Hello "}, CALL],
    }
    assert builder.usage == Usage(input_tokens=9, output_tokens=9, final=True)
    assert (builder.summary.finish_reasons, builder.summary.id) == (("STOP",), "resp-1")


def test_a_signed_part_is_never_joined() -> None:
    """The API checks a signature against its part."""
    signed = {"text": "lo", "thoughtSignature": "c2ln"}
    content = built(said("Hel"), said(signed), said("!"), said("?"), said(finish="STOP")).content()
    assert content["parts"] == [{"text": "Hel"}, signed, {"text": "!?"}]


def test_adding_does_not_change_the_events() -> None:
    """Their JSON is shared with other consumers."""
    first = event(said("Hel"))
    builder = ContentBuilder()
    for each in (first, event(said("lo", finish="STOP"))):
        builder.add(each)
    assert builder.content()["parts"] == [{"text": "Hello"}]
    assert first["candidates"][0]["content"]["parts"] == [{"text": "Hel"}]


def test_the_content_is_that_of_the_lowest_candidate() -> None:
    """If there are several."""
    both = chunk(candidate("No", index=1, finish="STOP"), candidate("Hello", finish="STOP"))
    assert built(both).content()["parts"] == [{"text": "Hello"}]


def test_a_cut_stream_has_no_content_but_a_snapshot() -> None:
    """Unless its end is the proof."""
    builder = built(*HELLO[:2])
    assert not builder.complete
    assert builder.snapshot()["parts"] == [{"text": "Hello"}]
    with pytest.raises(TruncatedStreamError, match="no finishReason"):
        builder.content()
    assert not ContentBuilder().complete
    lax = ContentBuilder(proof="end")
    lax.add(event(HELLO[0]))
    assert lax.content()["parts"] == [{"text": "Hel"}]


def test_what_is_no_chunk_changes_nothing_or_raises() -> None:
    """Keep-alives and marks are passed over."""
    builder = built(*HELLO)
    for data in (b"", b"null", b"keepalive", DONE.encode()):
        builder.add(Event("message", data))
    assert builder.complete
    with pytest.raises(StreamError, match="not JSON"):
        builder.add(Event("message", b'{"candidates"'))
    for told in (event(OVERLOADED), event(OVERLOADED, "error")):
        with pytest.raises(OverloadedError):
            builder.add(told)
    assert builder.snapshot()["parts"] == [{"text": "Hello"}, SIGNED]


def test_the_summary_of_a_blocked_prompt_says_why() -> None:
    """There is no content."""
    builder = built(chunk(promptFeedback={"blockReason": "SAFETY"}, **counts(3)))
    assert (builder.content()["parts"], builder.summary.finish_reasons) == ([], ("SAFETY",))
