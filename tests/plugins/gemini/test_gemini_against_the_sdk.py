"""Every stream has the text, the counts, the parts and the end that Google's SDK finds in it."""

from random import Random
from typing import Any

import msgspec
import pytest

from unbroken import Client, Event, Usage
from unbroken.errors import Error, OverloadedError, RateLimitError, TruncatedStreamError, ValidationError
from unbroken.sse import encode
from unbroken.testing import Answer, FakeClock, ScriptedTransport
from unbroken_gemini import ContentBuilder, Gemini

from ...pieces import cut
from .chunks import CALL, HELLO, OVERLOADED, SIGNED, STREAM, THINKING, candidate, chunk, counts, said, written

pytest.importorskip("google.genai")

from google.genai import errors, types

from .sdk import answered, streamed


def composed(number: int) -> list[tuple[str, Any]]:
    """A stream of parts of every kind, in random order."""
    chance = Random(number)
    kinds: list[Any] = [
        *["Hel", "lo", " wörld\u2028", "\x85\n\n", ""],
        {"text": "so", "thought": True},
        {"text": "", "thoughtSignature": "c2ln"},
        CALL,
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
    ]
    parts = [chance.choices(kinds, k=chance.randint(0, 3)) for _ in range(chance.randint(1, 12))]
    cached = chance.choice([None, 0, 4])
    more = {"toolUsePromptTokenCount": chance.randint(0, 9)} if chance.random() < 0.3 else {}
    more |= {} if cached is None else {"cachedContentTokenCount": cached}
    return [
        said(
            *each,
            finish=chance.choice(["STOP", "MAX_TOKENS", "SAFETY"]) if place == len(parts) - 1 else None,
            **counts(
                9,
                place,
                thoughtsTokenCount=place * 2,
                totalTokenCount=9 + 3 * place + sum(more.values()) - (cached or 0),
                **more,
            ),
        )
        for place, each in enumerate(parts)
    ]


STREAMS = {
    "hello": HELLO,
    "thinking": THINKING,
    "stop-on-each": [said("Hel", finish="STOP"), said("lo", finish="STOP", **counts(3, 2))],
    "two": [
        chunk(candidate("Hel"), candidate("No", index=1), **counts(3)),
        chunk(candidate("lo", finish="STOP"), candidate("pe", finish="STOP", index=1), **counts(3, 2)),
    ],
    "blocked": [chunk(promptFeedback={"blockReason": "SAFETY"}, **counts(3))],
    "counts-behind": [*HELLO, chunk(**counts(9, 3))],
    **{f"composed-{number}": composed(number) for number in range(60)},
}


def heard(pieces: list[bytes]) -> tuple[str, Any, ContentBuilder]:
    clock, builder = FakeClock(), ContentBuilder()
    transport = ScriptedTransport([Answer(body=pieces)], clock)
    with (
        Client([], dialect="gemini", transport=transport, clock=clock) as client,
        client.stream("POST", STREAM, json={}) as stream,
    ):
        reader, text = Gemini().reader(stream.call), ""
        for event in stream:
            text += reader.text(event) or ""
            builder.add(event)
    return text, stream, builder


def counted(found: Any) -> Usage | None:
    """The counts of the SDK, in which cached tokens are a part of the prompt's, as ours, in which they are not."""
    if found is None:
        return None
    cached = found.cached_content_token_count
    output = [count for count in (found.candidates_token_count, found.thoughts_token_count) if count is not None]
    return Usage(
        input_tokens=found.prompt_token_count + (found.tool_use_prompt_token_count or 0) - (cached or 0),
        output_tokens=sum(output) if output else None,
        cache_read_tokens=cached or None,
        final=bool(output),
    )


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_the_one_of_the_sdk(name: str) -> None:
    """In pieces too: text, thoughts, parts, counts, reason to stop, ids."""
    pieces = cut(b"".join(written(*STREAMS[name])), name)
    judge = streamed(*pieces)
    text, stream, builder = heard(pieces)
    assert text == "".join(each.text or "" for each in judge)
    assert stream.usage == builder.usage == counted(next(c for each in reversed(judge) if (c := each.usage_metadata)))
    summary = stream.call.summary
    assert (summary.id, summary.model) == (judge[-1].response_id, judge[-1].model_version)
    reasons = [c.finish_reason.value for each in judge for c in each.candidates or () if c.finish_reason]
    assert set(summary.finish_reasons) == set(reasons or ["SAFETY"])
    given = [part for each in judge for part in each.parts or ()]
    kept = builder.content()["parts"]
    for thought in (True, False):
        theirs = "".join(part.text or "" for part in given if bool(part.thought) is thought)
        assert "".join(part.get("text", "") for part in kept if bool(part.get("thought")) is thought) == theirs
    calls = [part.function_call.args for part in given if part.function_call]
    assert [part["functionCall"]["args"] for part in kept if "functionCall" in part] == calls
    signatures = sum(part.thought_signature is not None for part in given)
    assert sum("thoughtSignature" in part for part in kept) == signatures


@pytest.mark.parametrize("name", STREAMS)
def test_a_typed_chunk_says_what_that_of_the_sdk_says(name: str) -> None:
    """One by one."""
    for piece, judge in zip(STREAMS[name], streamed(*written(*STREAMS[name])), strict=True):
        typed = Gemini().typed(Event.make("message", piece[1]))
        assert not isinstance(typed, Event)
        assert (typed.text, len(typed.parts)) == (judge.text or "", len(judge.parts or ()))
        assert (typed.response_id, typed.model_version) == (judge.response_id, judge.model_version)


def test_the_next_request_may_repeat_the_content() -> None:
    """The SDK takes it as it is."""
    builder = heard(written(*THINKING, said(SIGNED, finish="STOP")))[2]
    content = types.Content.model_validate(builder.content())
    assert [part.function_call and part.function_call.name for part in content.parts or ()][2] == "open_gate"


def test_a_plain_answer_is_the_one_of_the_sdk() -> None:
    """Of generateContent."""
    body = msgspec.json.encode(
        {"candidates": [candidate("Hello", finish="STOP")], **counts(9, 2, thoughtsTokenCount=3)}
    )
    judge, event = answered(body), Event("response", body)
    assert Gemini().text(event) == judge.text
    assert Gemini().usage(event) == counted(judge.usage_metadata)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RateLimitError("slow", retry_after=3), errors.ClientError),
        (ValidationError("bad", status_code=404), errors.ClientError),
        (OverloadedError("full"), errors.ServerError),
        (TruncatedStreamError("cut"), errors.ServerError),
    ],
)
def test_an_error_event_is_raised_by_the_sdk_as_its_own(error: Error, kind: type[Exception]) -> None:
    """With number, name and words; the SDK looks for no other form."""
    event = Gemini().error_event(error)
    with pytest.raises(kind) as raised:
        streamed(*written(HELLO[0]), encode(event))
    judge: Any = raised.value
    assert (judge.code, judge.status, judge.message) == tuple(event["error"][n] for n in ("code", "status", "message"))


def test_an_error_of_the_api_is_one_for_both() -> None:
    """Framed and bare."""
    for told in (b"".join(written(OVERLOADED)), msgspec.json.format(msgspec.json.encode(OVERLOADED[1]))):
        with pytest.raises(errors.ServerError):
            streamed(*written(*HELLO), told)
        with pytest.raises(OverloadedError):
            heard([*written(*HELLO), told])
