"""The dialect keeps the contract of dialects, with a short answer and with one that has everything."""

from itertools import groupby
from typing import Any

import pytest

from unbroken.errors import (
    AuthenticationError,
    Error,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from unbroken.messages import Event, Usage
from unbroken.testing import RecordedError, Recording, check_dialect, sse
from unbroken_anthropic import Anthropic


def named(type: str, **fields: Any) -> bytes:
    return sse((type, {"type": type, **fields}))


def failure(type: str, error: type[Error]) -> RecordedError:
    return RecordedError(data=named("error", error={"type": type, "message": "No."}), error=error)


def delta(text: str) -> bytes:
    return named("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


HEAD = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-test-1", "content": []}
SHORT = Recording(
    pieces=(
        named(
            "message_start", message={**HEAD, "stop_reason": None, "usage": {"input_tokens": 25, "output_tokens": 1}}
        ),
        named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        delta("Grüße "),
        delta("aus 💧"),
        named("content_block_stop", index=0),
        named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 15}),
        named("message_stop"),
    ),
    text="Grüße aus 💧",
    usage=Usage(input_tokens=25, output_tokens=15, final=True),
    keepalives=(b": keep-alive\n\n", named("ping")),
    unknown=(named("content_block_glimmer", index=0, delta={"type": "text_delta", "text": "x"}),),
    errors=(
        failure("overloaded_error", OverloadedError),
        failure("rate_limit_error", RateLimitError),
        failure("api_error", ServerError),
        failure("authentication_error", AuthenticationError),
        failure("billing_error", QuotaExceededError),
        failure("invalid_request_error", ValidationError),
    ),
)
UNNAMED = Recording(
    pieces=tuple(piece.partition(b"\n")[2] for piece in SHORT.pieces),
    text=SHORT.text,
    usage=SHORT.usage,
    keepalives=(b'data: {"type": "ping"}\n\n',),
    errors=(RecordedError(data=SHORT.errors[0].data.partition(b"\n")[2], error=OverloadedError),),
)


@pytest.mark.parametrize("recording", [SHORT, UNNAMED], ids=["named", "unnamed"])
def test_a_short_answer_keeps_the_contract(recording: Recording):
    check_dialect(Anthropic(), recording)


def test_an_answer_with_everything_keeps_the_contract(rich_events: list[Event]):
    """Thinking, citations, tools and unknown things; each once, as each of the bytes is a place of a cut."""
    kept = [next(events) for _, events in groupby(rich_events, key=kind)]
    text = "A sluice is a gate I will measure two of them."
    usage = Usage(input_tokens=10682, output_tokens=510, cache_read_tokens=128, cache_write_tokens=0, final=True)
    pieces = tuple(sse((event.type, event.data)) for event in kept)
    check_dialect(Anthropic(), Recording(pieces=pieces, text=text, usage=usage))


def kind(event: Event) -> tuple[Any, ...]:
    """What deltas have in common that follow one another."""
    return event.type, event.get("index"), event.get("delta", {}).get("type"), event.get("usage") is None
