"""Events as objects: nothing is guessed, nothing is lost."""

import contextlib
import copy
import pickle
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses.response_stream_event import ResponseStreamEvent

import unbroken_openai
from unbroken import Event, StreamError
from unbroken.testing import Answer, play, sse
from unbroken_openai import (
    AnyResponseEvent,
    ChatCompletionChunk,
    ChoiceDelta,
    ChoiceLogprobs,
    ChunkChoice,
    ErrorEvent,
    FunctionCallArgumentsDelta,
    FunctionDelta,
    OpenAI,
    OpenAIEvent,
    OutputItemAdded,
    OutputTextDelta,
    ResponseCompleted,
    ResponseCreated,
    ResponseEvent,
    ToolCallDelta,
    TypedEvent,
    WebSearchCallSearching,
)

from .vendors_answers import calls, chats, responses

CANARY = "canary-7f3a"
KINDS = {
    kind.type: kind
    for kind in vars(unbroken_openai).values()
    if isinstance(kind, type) and issubclass(kind, ResponseEvent) and kind.type
}
VENDORS = {get_args(it.model_fields["type"].annotation)[0]: it for it in get_args(get_args(ResponseStreamEvent)[0])}
SHELL_OUTPUT = "response.shell_call_output_content"


def chunk(**fields: Any) -> Event:
    return Event.make("message", fields, request_id="call-1", dialect=OpenAI())


def named(type: str, **fields: Any) -> Event:
    return Event.make(type, {"type": type, **fields}, request_id="call-1", dialect=OpenAI())


def choice(**fields: Any) -> Event:
    return chunk(choices=[fields])


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            chunk(id="c", object="chat.completion.chunk", created=1, model="m", choices=[]),
            ChatCompletionChunk(id="c", object="chat.completion.chunk", created=1, model="m", choices=()),
            id="no-choices",
        ),
        pytest.param(
            choice(index=0, delta={"role": "assistant", "content": "Hi"}),
            ChatCompletionChunk(
                choices=(ChunkChoice(index=0, delta=ChoiceDelta(role="assistant", content="Hi")),),
            ),
            id="text",
        ),
        pytest.param(
            choice(delta={"content": [{"type": "text", "text": "a"}]}),
            ChatCompletionChunk(choices=(ChunkChoice(delta=ChoiceDelta(content=[{"type": "text", "text": "a"}])),)),
            id="parts",
        ),
        pytest.param(
            choice(delta={"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{"}}]}),
            ChatCompletionChunk(
                choices=(
                    ChunkChoice(
                        delta=ChoiceDelta(
                            tool_calls=(
                                ToolCallDelta(index=0, id="t", function=FunctionDelta(name="f", arguments="{")),
                            )
                        )
                    ),
                )
            ),
            id="tool-call",
        ),
        pytest.param(
            choice(delta={}, finish_reason="stop", logprobs={"content": [{"token": "a"}], "refusal": None}),
            ChatCompletionChunk(
                choices=(
                    ChunkChoice(
                        delta=ChoiceDelta(),
                        finish_reason="stop",
                        logprobs=ChoiceLogprobs(content=({"token": "a"},), extra={"refusal": None}),
                    ),
                )
            ),
            id="logprobs",
        ),
        pytest.param(
            chunk(choices=[], usage={"prompt_tokens": 1}, citations=["x"], model=None),
            ChatCompletionChunk(choices=(), usage={"prompt_tokens": 1}, extra={"citations": ["x"], "model": None}),
            id="unknown-fields-and-null",
        ),
        pytest.param(
            named("response.created", response={"id": "r"}, sequence_number=0),
            ResponseCreated(response={"id": "r"}, sequence_number=0),
            id="created",
        ),
        pytest.param(
            named("response.output_text.delta", item_id="i", output_index=0, content_index=1, delta="a", logprobs=[]),
            OutputTextDelta(item_id="i", output_index=0, content_index=1, delta="a", logprobs=()),
            id="text-delta",
        ),
        pytest.param(
            named("response.function_call_arguments.delta", delta="{", obfuscation="x"),
            FunctionCallArgumentsDelta(delta="{", extra={"obfuscation": "x"}),
            id="arguments",
        ),
        pytest.param(
            Event.make("message", {"type": "response.output_item.added", "item": {"type": "message"}}),
            OutputItemAdded(item={"type": "message"}),
            id="name-dropped-by-a-proxy",
        ),
        pytest.param(
            Event.make("response.web_search_call.searching", {"item_id": "i"}),
            WebSearchCallSearching(item_id="i"),
            id="type-missing-in-the-data",
        ),
        pytest.param(
            named("error", code=None, message="no", param=None),
            ErrorEvent(message="no", extra={"code": None, "param": None}),
            id="error",
        ),
    ],
)
def test_an_event_is_an_object_of_its_class(event: Event, expected: TypedEvent) -> None:
    """With the fields that the API documents."""
    assert OpenAI().typed(event) == expected


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(Event("message", b"[DONE]"), id="done"),
        pytest.param(Event("response.completed", b" [DONE] "), id="done-under-a-name"),
        pytest.param(Event(), id="empty"),
        pytest.param(Event("response.created", b" "), id="empty-under-a-name"),
        pytest.param(Event("message", b"keepalive"), id="words"),
        pytest.param(Event("message", b"7"), id="number"),
        pytest.param(Event("keepalive", b'{"type": "keepalive"}'), id="keepalive"),
        pytest.param(Event("response.new_thing", b'{"type": "response.new_thing"}'), id="unknown"),
        pytest.param(Event("message", b'{"type": "response.new_thing"}'), id="unknown-and-unnamed"),
        pytest.param(Event("message", b'{"object": "x"}'), id="no-chunk"),
    ],
)
def test_what_has_no_class_is_the_event_itself(event: Event) -> None:
    """Nothing is lost of what is unknown."""
    assert OpenAI().typed(event) is event


@pytest.mark.parametrize(
    ("event", "told"),
    [
        pytest.param(chunk(choices=CANARY), ["must be a list, not text @ $.choices"], id="choices"),
        pytest.param(chunk(choices=None), ["must be a list, not null @ $.choices"], id="choices-null"),
        pytest.param(chunk(choices=[None]), ["must be an object, not null @ $.choices[0]"], id="choice"),
        pytest.param(choice(index="0"), ["must be an integer, not text @ $.choices[0].index"], id="index"),
        pytest.param(choice(index=True), ["must be an integer, not true or false @ $.choices[0].index"], id="bool"),
        pytest.param(choice(delta=[]), ["must be an object, not a list @ $.choices[0].delta"], id="delta"),
        pytest.param(
            choice(delta={"content": 7, "tool_calls": [{}, {"id": 1.5}]}),
            [
                "must be text or a list, not an integer @ $.choices[0].delta.content",
                "must be text, not a number @ $.choices[0].delta.tool_calls[1].id",
            ],
            id="every-place",
        ),
        pytest.param(named("response.output_text.delta"), ["is missing @ $.delta"], id="missing"),
        pytest.param(named("response.output_text.delta", delta=None), ["must be text, not null @ $.delta"], id="null"),
        pytest.param(Event("response.created", b"[]"), ["must be an object, not a list @ $"], id="list"),
        pytest.param(
            Event("response.created", b'{"type": "response.queued"}'), ["the type of another event @ $.type"], id="type"
        ),
        pytest.param(
            Event("response.created", b'{"type": ["x"]}'), ["the type of another event @ $.type"], id="type-odd"
        ),
        pytest.param(Event("response.created", b"{"), ["is not JSON"], id="cut"),
        pytest.param(Event("message", b'{"choices'), ["is not JSON"], id="cut-chunk"),
    ],
)
def test_what_does_not_fit_says_where(event: Event, told: list[str]) -> None:
    """Every place, and never the data."""
    with pytest.raises(StreamError) as caught:
        OpenAI().typed(event)
    assert all(each in caught.value.message for each in told)
    assert CANARY not in caught.value.message
    assert caught.value.request_id == (event.request_id or None)


def test_many_faults_do_not_make_a_long_message() -> None:
    """Twenty are enough."""
    with pytest.raises(StreamError) as caught:
        OpenAI().typed(chunk(choices=[{"index": "x"}] * 1000))
    assert len(caught.value.message) < 2000


@pytest.mark.parametrize("type", sorted(VENDORS))
def test_every_event_of_the_sdk_has_a_class(type: str) -> None:
    """With the fields that the SDK knows, and what it has under every one of them."""
    kind, vendors = KINDS[type], VENDORS[type]
    known = {*kind.__struct_fields__, "type"}
    assert {name for name in vendors.model_fields if name not in known} <= {
        "background",
        "output_format",
        "quality",
        "size",
        "obfuscation",
    }
    assert kind.__doc__


def test_no_class_is_of_an_event_that_the_sdk_has_not() -> None:
    """A misspelt type would never be found."""
    assert KINDS.keys() == VENDORS.keys()


def test_the_unions_have_every_class_once() -> None:
    """A match that a checker calls complete is complete."""
    assert sorted(kind.type for kind in get_args(AnyResponseEvent)) == sorted(KINDS)
    assert set(get_args(OpenAIEvent)) == {ChatCompletionChunk, *get_args(AnyResponseEvent), Event}


@pytest.mark.parametrize("name", [*chats(), *responses()])
def test_the_json_of_an_object_is_the_one_it_was_made_of(name: str) -> None:
    """Unknown fields and nulls included."""
    chunks = [chunk(**each) for each in chats().get(name, [])]
    events = [Event.make(type, data, dialect=OpenAI()) for type, data in responses().get(name, [])]
    for event in [*chunks, *events]:
        made = event.typed()
        assert isinstance(made, TypedEvent)
        assert made.to_dict() == event.json()
        assert copy.copy(made) == pickle.loads(pickle.dumps(made)) == made


def test_a_client_gives_typed_events() -> None:
    """As objects of the dialect of the call."""
    body = sse(
        *(("", each) for each in calls("one")),
        ("", {"choices": [{"finish_reason": "stop"}]}),
    )
    played = play([Answer(body=body)], dialect="openai")
    pieces = [event.typed().choices[0].delta for event in played.events][:-1]
    assert "".join(piece.tool_calls[0].function.arguments for piece in pieces) == '{"q": "Wasser"}'
    ended = named("response.completed", response={"status": "completed"}).typed()
    assert isinstance(ended, ResponseCompleted)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "index", "delta", "choices", "content", "item", "id"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["message", "x", *sorted(KINDS)]), JSON)
def test_any_json_is_typed_or_refused(type: str, data: Any) -> None:
    """No foreign exception comes of it."""
    with contextlib.suppress(StreamError):
        OpenAI().typed(Event.make(type, data))
