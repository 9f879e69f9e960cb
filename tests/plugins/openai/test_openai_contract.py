"""The dialect keeps the contract of dialects, in Chat Completions and in the Responses API."""

from typing import Any

import pytest
from attrs import evolve

from unbroken.errors import AuthenticationError, Error, OverloadedError, QuotaExceededError, RateLimitError, ServerError
from unbroken.messages import Usage
from unbroken.testing import RecordedError, Recording, check_dialect, sse
from unbroken_openai import OpenAI


def chunk(*choices: Any, **fields: Any) -> bytes:
    return sse(("", {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": list(choices), **fields}))


def delta(finish_reason: str | None = None, **fields: Any) -> bytes:
    return chunk({"index": 0, "delta": fields, "finish_reason": finish_reason})


def coded(code: str, error: type[Error]) -> RecordedError:
    return RecordedError(data=sse(("", {"error": {"message": "No.", "type": "x", "code": code}})), error=error)


def named(type: str, **fields: Any) -> bytes:
    return sse((type, {"type": type, **fields}))


def failed(code: str, error: type[Error]) -> RecordedError:
    response = {"status": "failed", "error": {"code": code, "message": "No."}}
    return RecordedError(data=named("response.failed", response=response), error=error)


COUNTS = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
CHAT = Recording(
    pieces=(
        delta(role="assistant", content=""),
        delta(content="Grüße "),
        delta(content="aus 💧"),
        delta("stop"),
        chunk(usage=COUNTS),
        sse("[DONE]"),
    ),
    text="Grüße aus 💧",
    usage=Usage(input_tokens=5, output_tokens=2, cache_read_tokens=4, final=True),
    proof=4,
    keepalives=(b": OPENROUTER PROCESSING\n\n", chunk(prompt_filter_results=[{"prompt_index": 0}])),
    unknown=(sse(("", {"type": "news"})), sse(("news", "x"))),
    errors=(
        coded("server_is_overloaded", OverloadedError),
        coded("rate_limit_exceeded", RateLimitError),
        coded("insufficient_quota", QuotaExceededError),
        coded("invalid_api_key", AuthenticationError),
        coded("server_error", ServerError),
    ),
)
PART = {"type": "output_text", "text": "Grüße aus 💧"}
AT = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "content": [PART]}
RESPONSES = Recording(
    pieces=(
        named("response.created", response={"id": "resp_1", "status": "in_progress", "usage": None}),
        named("response.in_progress", response={"id": "resp_1", "status": "in_progress"}),
        named("response.output_item.added", output_index=0, item={**ITEM, "content": []}),
        named("response.content_part.added", **AT, part={**PART, "text": ""}),
        named("response.output_text.delta", **AT, delta="Grüße "),
        named("response.output_text.delta", **AT, delta="aus 💧"),
        named("response.output_text.done", **AT, text=PART["text"]),
        named("response.content_part.done", **AT, part=PART),
        named("response.output_item.done", output_index=0, item=ITEM),
        named(
            "response.completed",
            response={
                "id": "resp_1",
                "status": "completed",
                "output": [ITEM],
                "usage": {"input_tokens": 9, "output_tokens": 2},
            },
        ),
    ),
    text="Grüße aus 💧",
    usage=Usage(input_tokens=9, output_tokens=2, final=True),
    keepalives=(b": keep-alive\n\n", named("keepalive")),
    unknown=(named("response.glimmer.delta", delta="x"),),
    errors=(failed("server_is_overloaded", OverloadedError), failed("rate_limit_exceeded", RateLimitError)),
)


@pytest.mark.parametrize(
    ("dialect", "recording"),
    [
        pytest.param(OpenAI(), CHAT, id="chat"),
        pytest.param(OpenAI(proof="done"), evolve(CHAT, proof=None, errors=()), id="chat-proved-by-done"),
        pytest.param(OpenAI(), RESPONSES, id="responses"),
    ],
)
def test_the_dialect_keeps_the_contract(dialect: OpenAI, recording: Recording):
    check_dialect(dialect, recording)
