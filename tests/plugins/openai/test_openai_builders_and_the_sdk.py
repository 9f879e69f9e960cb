"""The vendor's own SDK as the judge of what a stream's completion or response is, field by field."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from unbroken.sse import SSEDecoder
from unbroken.testing import BACKENDS, Answer, play, sse
from unbroken_faults import Fault, Speech, ToolUse
from unbroken_faults._chat import ChatCompletions
from unbroken_faults._conversation import Exchange
from unbroken_faults._requests import ReceivedRequest
from unbroken_faults._responses import Responses
from unbroken_openai import CompletionBuilder, ResponseBuilder

from .sdk import completion, response
from .streams_of_any_kind import chunked, responded
from .vendors_answers import chats, composed_chat, composed_response, delta, responses, two_choices

CHATS = {**chats(), "two": two_choices(), **{f"composed-{number}": composed_chat(number) for number in range(40)}}
RESPONSES = {**responses(), **{f"composed-{number}": composed_response(number) for number in range(40)}}
WORDS = {"plain": "Water runs.", "empty": "", "long": "ab \u2028é💧" * 40}
THOUGHTS = {"no": "", "thinks": "Let me see."}
TOOLS: dict[str, tuple[ToolUse, ...]] = {
    "none": (),
    "two": (ToolUse("look", '{"q": "Wasser", "n": [1, null]}'), ToolUse("now", "{}")),
}
SPEECHES = {
    f"{word}-{thought}-{tool}": Speech(
        id="chatcmpl-00000000000000000000000000000001",
        request_id="req_1",
        model="gpt-test",
        text=WORDS[word],
        input_tokens=9,
        output_tokens=5,
        thinking=THOUGHTS[thought],
        tools=TOOLS[tool],
        stop_reason="tool_calls" if TOOLS[tool] else "stop",
    )
    for word in WORDS
    for thought in THOUGHTS
    for tool in TOOLS
}
_OWN = frozenset({"parsed", "parsed_arguments", "obfuscation"})


def told(value: Any) -> Any:
    """Leave out what is null or empty, because the SDK's classes add such fields, and what only the SDK has."""
    if isinstance(value, dict):
        kept = {name: told(each) for name, each in value.items() if name not in _OWN}
        return {name: each for name, each in kept.items() if each not in (None, "", [], {})}
    return [told(each) for each in value] if isinstance(value, list) else value


def theirs(made: Any) -> Any:
    """What the SDK made as JSON; the index stays in its tool calls, but is no field of a whole one."""
    whole = made.to_dict(mode="json", warnings=False)
    for choice in whole.get("choices", ()):
        for call in choice["message"].get("tool_calls") or ():
            call.pop("index")
    return told(whole)


def completed(body: bytes, n: int | None = None) -> CompletionBuilder:
    builder = CompletionBuilder(n=n)
    for event in SSEDecoder().feed(body):
        builder.add(event)
    return builder


def answered(body: bytes) -> ResponseBuilder:
    builder = ResponseBuilder()
    for event in SSEDecoder().feed(body):
        builder.add(event)
    return builder


def written(chunks: list[dict[str, Any]]) -> bytes:
    """The chunks as the API writes them, to the ``[DONE]``."""
    return sse(*(json.dumps(chunk, ensure_ascii=False) for chunk in chunks), "[DONE]")


def asked() -> ReceivedRequest:
    body = b'{"stream": true, "stream_options": {"include_usage": true}}'
    return ReceivedRequest(method="POST", path="/v1", body=body)


def test_there_are_enough_of_them() -> None:
    """Sixty of both APIs, beside those that are drawn."""
    assert len(CHATS) + len(SPEECHES) > 60
    assert len(RESPONSES) + len(SPEECHES) > 60


DIFFERENT = {"role-in-every-chunk", "usage-is-null", "two"}
"""Of which `WRONG` says what the SDK makes."""


@pytest.mark.parametrize("name", [name for name in CHATS if name not in DIFFERENT])
def test_a_completion_is_the_one_of_the_sdk(name: str) -> None:
    """Texts, tool calls, refusals, logprobs, counts."""
    body = written(CHATS[name])
    assert told(completed(body).completion()) == theirs(completion(body))


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_is_the_one_of_the_sdk(name: str) -> None:
    """Items of all kinds, counts, the end."""
    body = sse(*RESPONSES[name])
    assert told(answered(body).response()) == theirs(response(body))


@pytest.mark.parametrize("name", SPEECHES)
def test_what_the_fault_server_says_is_the_same_for_the_sdk(name: str) -> None:
    """In both APIs; and the same as it says when it does not stream."""
    speech = SPEECHES[name]
    exchange = Exchange(request=asked(), fault=Fault(), reply=speech, now=1.0, earlier=lambda: ())
    body = b"".join(ChatCompletions().stream(exchange) or ())
    made = told(completed(body).completion())
    assert made == theirs(completion(body))
    assert made == told(json.loads(ChatCompletions().message(exchange)))
    body = b"".join(Responses().stream(exchange) or ())
    whole = told(answered(body).response())
    assert whole == theirs(response(body)) == told(json.loads(Responses().message(exchange)))


@settings(max_examples=150, deadline=None)
@given(chunked())
def test_any_completion_is_the_one_of_the_sdk(chunks: list[dict[str, Any]]) -> None:
    """Whatever is said, however it is cut, in however many choices."""
    body = written(chunks)
    judge = completion(body)
    builder = completed(body)
    assert told(builder.completion()) == theirs(judge)
    assert builder.text == (judge.choices[0].message.content or "")


@settings(max_examples=150, deadline=None)
@given(responded())
def test_any_response_is_the_one_of_the_sdk(events: list[tuple[str, dict[str, Any]]]) -> None:
    """Whatever the items are, also if only the events before the end have them."""
    body = sse(*events)
    judge = response(body)
    builder = answered(body)
    assert told(builder.response()) == theirs(judge)
    assert builder.text == judge.output_text


@settings(max_examples=60, deadline=None)
@given(responded())
def test_a_response_is_whole_before_its_end(events: list[tuple[str, dict[str, Any]]]) -> None:
    """The items are known from their pieces alone, also without what ``.done`` repeats of them."""
    deltas = [(type, data) for type, data in events if not type.endswith(".done")]
    builder = answered(sse(*deltas[:-1]))
    whole = answered(sse(*events)).snapshot()["output"]
    for item, expected in zip(builder.snapshot()["output"], whole, strict=True):
        assert told({**item, "status": None}) == told({**expected, "status": None})


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_completion_comes_through_a_whole_call(backend: Any) -> None:
    """Sync and async."""
    body = written(CHATS["text-and-calls"])
    played = play([Answer(body=body)], dialect="openai", backend=backend)
    builder = CompletionBuilder()
    for event in played.events:
        builder.add(event)
    assert told(builder.completion()) == theirs(completion(body))


def test_after_each_event_the_text_is_that_of_the_sdk() -> None:
    """Snapshots are possible at any time."""
    from openai.lib.streaming.chat import ChatCompletionStreamState
    from openai.types.chat import ChatCompletionChunk

    state, builder = ChatCompletionStreamState(), CompletionBuilder()
    for event in SSEDecoder().feed(written(CHATS["text-many"]))[:-1]:
        builder.add(event)
        state.handle_chunk(
            ChatCompletionChunk.construct(**event.json()) and ChatCompletionChunk.model_validate(event.json())
        )
        (choice,) = state.current_completion_snapshot.choices
        assert builder.snapshot()["choices"][0]["message"]["content"] == choice.message.content == builder.text


def called(**fields: Any) -> dict[str, Any]:
    return delta({"tool_calls": [{"index": 0, **fields}]})


WHO: dict[str, Any] = {"role": "assistant"}
END = delta({}, "stop")
COUNTS = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
NAMED = {"id": "call_1", "type": "function"}
LISTED = [[{"type": "url_citation", "url_citation": {"url": url}}] for url in "ab"]
THOUGHT = {"type": "reasoning.text", "format": "v1", "index": 0}
WRONG: dict[str, tuple[list[dict[str, Any]], Callable[[dict[str, Any]], Any], Any, Any]] = {
    "it joins the roles of a server that repeats it": (
        CHATS["role-in-every-chunk"],
        lambda made: made["choices"][0]["message"]["role"],
        "assistant",
        "assistantassistantassistant",
    ),
    "it has no role if the server sends none": (
        CHATS["two"],
        lambda made: made["choices"][0]["message"].get("role"),
        "assistant",
        None,
    ),
    "it forgets the service tier of all chunks but the first": (
        CHATS["usage-is-null"],
        lambda made: made.get("service_tier"),
        "default",
        None,
    ),
    "it forgets the counts when another chunk follows": (
        [delta(WHO), delta({}, "stop", usage=COUNTS), delta({})],
        lambda made: made.get("usage"),
        COUNTS,
        None,
    ),
    "it forgets the fingerprint when a chunk without one follows": (
        [delta(WHO, system_fingerprint="fp"), END],
        lambda made: made.get("system_fingerprint"),
        "fp",
        None,
    ),
    "it keeps the empty id of Azure's first chunk": (
        [{**delta({}), "choices": [], "id": "", "model": ""}, delta(WHO), END],
        lambda made: (made.get("id"), made.get("model")),
        ("chatcmpl-1", "gpt-test"),
        (None, None),
    ),
    "it joins the names of a tool that are repeated": (
        [
            delta(WHO),
            called(**NAMED, function={"name": "look", "arguments": "{"}),
            called(**NAMED, function={"name": "look", "arguments": "}"}),
            END,
        ],
        lambda made: made["choices"][0]["message"]["tool_calls"],
        [{**NAMED, "function": {"name": "look", "arguments": "{}"}}],
        [{**NAMED, "id": "call_1call_1", "function": {"name": "looklook", "arguments": "{}"}}],
    ),
    "it adds times": (
        [delta({**WHO, "audio": {"id": "a", "expires_at": 5}}), delta({"audio": {"expires_at": 5}}), END],
        lambda made: made["choices"][0]["message"]["audio"],
        {"id": "a", "expires_at": 5},
        {"id": "a", "expires_at": 10},
    ),
    "it joins the names of formats": (
        [
            delta({**WHO, "reasoning_details": [{**THOUGHT, "text": "a"}]}),
            delta({"reasoning_details": [{**THOUGHT, "text": "b"}]}),
            END,
        ],
        lambda made: made["choices"][0]["message"]["reasoning_details"],
        [{**THOUGHT, "text": "ab"}],
        [{**THOUGHT, "format": "v1v1", "text": "ab"}],
    ),
    "it forgets the fields of a choice in all chunks but the first": (
        [delta(WHO), {**END, "choices": [{**END["choices"][0], "stop_reason": "###"}]}],
        lambda made: made["choices"][0].get("stop_reason"),
        "###",
        None,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_where_the_sdk_is_wrong_the_builder_is_not(name: str) -> None:
    """Each difference with its reason; when the SDK changes, this tells."""
    chunks, look, expected, wrong = WRONG[name]
    assert look(told(completed(written(chunks)).completion())) == expected
    assert look(theirs(completion(written(chunks)))) == wrong


def test_lists_that_the_sdk_cannot_continue_are_continued() -> None:
    """It raises for a second list of objects without an index."""
    chunks = [delta({**WHO, "annotations": LISTED[0]}), delta({"annotations": LISTED[1]}), END]
    made = completed(written(chunks)).completion()
    assert made["choices"][0]["message"]["annotations"] == [*LISTED[0], *LISTED[1]]
    with pytest.raises(RuntimeError, match="`index` key"):
        completion(written(chunks))


def test_items_that_the_last_event_leaves_out_are_kept() -> None:
    """The SDK believes an empty output, although the items came."""
    events = json.loads(json.dumps(RESPONSES["call-and-text"]))
    whole = events[-1][1]["response"]["output"]
    events[-1][1]["response"]["output"] = []
    body = sse(*map(tuple, events))
    assert answered(body).response()["output"] == whole
    assert response(body).output == []
