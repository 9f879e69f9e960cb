"""The vendor's own SDK as the judge: what its models write we read, and what we call content it can parse."""

from typing import Any, get_args

import pytest
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE, Kind
from unbroken.messages import Event, Usage
from unbroken_openai import OpenAI

DIALECT = OpenAI()
MODELS = get_args(get_args(ResponseStreamEvent)[0])
STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def chunk(*choices: dict[str, Any], **fields: Any) -> ChatCompletionChunk:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test"}
    return ChatCompletionChunk.model_validate({**head, "choices": list(choices), **fields})


def choice(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
COUNTS = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4},
}


@pytest.mark.parametrize("exclude_unset", [True, False], ids=["as-set", "every-null"])
@pytest.mark.parametrize(
    ("model", "kind", "text"),
    [
        pytest.param(chunk(choice(role="assistant", content="")), KEEPALIVE, "", id="role"),
        pytest.param(chunk(choice(content="Hello"), obfuscation="x7"), CONTENT, "Hello", id="content"),
        pytest.param(chunk(choice(content='"error": [DONE]')), CONTENT, '"error": [DONE]', id="content-of-words"),
        pytest.param(chunk(choice(refusal="No")), CONTENT, None, id="refusal"),
        pytest.param(chunk(choice(tool_calls=[CALL])), CONTENT, None, id="tool-call"),
        pytest.param(chunk(choice(audio={"transcript": "Hi"})), CONTENT, None, id="audio"),
        pytest.param(chunk(choice("length")), CONTENT, None, id="finish-reason"),
        pytest.param(chunk(usage=COUNTS), STRUCTURE | USAGE, None, id="usage"),
    ],
)
def test_a_chunk_of_the_sdk_is_read_as_it_means(
    model: ChatCompletionChunk, kind: Kind, text: str | None, exclude_unset: bool
):
    """Written as sparsely as the API does or with every null, and the same when the SDK reads it again."""
    raw = model.model_dump_json(exclude_unset=exclude_unset).encode()
    event = Event("message", raw)
    assert (DIALECT.classify(event), DIALECT.text(event)) == (kind, text)
    again = ChatCompletionChunk.model_validate_json(raw)
    assert (again.choices[0].delta.content if again.choices else None) == DIALECT.text(event)


def test_the_counts_of_the_sdk_add_up():
    """The parts are ours, the sum is the SDK's."""
    model = chunk(usage=COUNTS)
    assert model.usage is not None
    usage = DIALECT.usage(Event("message", model.model_dump_json().encode()))
    assert usage == Usage(input_tokens=5, output_tokens=3, cache_read_tokens=4, final=True)
    assert (usage.input_tokens or 0) + (usage.cache_read_tokens or 0) == model.usage.prompt_tokens


def type_of(model: Any) -> str:
    (name,) = get_args(model.model_fields["type"].annotation)
    return name


@pytest.mark.parametrize("type", sorted(map(type_of, MODELS)))
def test_every_event_that_the_sdk_knows_has_its_place(type: str):
    """What carries a piece of the answer is content; only two events are an end, and only two are errors."""
    kind = DIALECT.classify(Event(type, b"{}"))
    expected = {"error": ERROR | USAGE, "response.failed": ERROR | USAGE, "response.completed": TERMINAL | USAGE}
    expected["response.incomplete"] = TERMINAL | USAGE
    if type in expected:
        assert kind == expected[type]
    elif type.endswith((".delta", ".done")):
        assert kind == CONTENT
    else:
        assert kind in {PREAMBLE, CONTENT}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(
            {"type": "response.output_text.delta", "delta": "Hello", "item_id": "msg_1", "logprobs": []},
            "Hello",
            id="x",
        ),
        pytest.param({"type": "response.refusal.delta", "delta": "No", "item_id": "msg_1"}, None, id="refusal"),
        pytest.param({"type": "response.reasoning_text.delta", "delta": "Hm", "item_id": "rs_1"}, None, id="reasoning"),
    ],
)
def test_a_delta_of_the_responses_api_is_text_for_both(data: dict[str, Any], text: str | None):
    """The SDK parses the same event, and finds the same words."""
    where = {"output_index": 0, "content_index": 0, "sequence_number": 4}
    model = STREAM_EVENT.validate_python({**where, **data})
    assert type_of(type(model)) == data["type"]
    for name in (data["type"], "message"):
        event = Event(name, model.model_dump_json().encode())
        assert (DIALECT.classify(event), DIALECT.text(event)) == (CONTENT, text)
    assert model.delta == data["delta"]
