"""A message that is not streamed, and the failures that it can report under status 200."""

from typing import Any

import msgspec
import pytest

from unbroken import Client, Error, OverloadedError, RateLimitError, ServerError, Usage
from unbroken.testing import Answer, FakeClock, ScriptedTransport
from unbroken_anthropic import Anthropic

JSON = {"content-type": "application/json", "request-id": "req_7"}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 11, "output_tokens": 7, "cache_read_input_tokens": 3},
}


def send(document: Any) -> Any:
    clock = FakeClock()
    transport = ScriptedTransport([Answer(headers=JSON, body=msgspec.json.encode(document))], clock)
    with Client([], dialect=Anthropic(), transport=transport, clock=clock) as client:
        return client.send("POST", "https://api.anthropic.com/v1/messages")


def test_a_message_is_an_answer_with_its_usage() -> None:
    """The counts are final: nothing follows them."""
    answer = send(MESSAGE)
    assert answer.json() == MESSAGE
    assert answer.usage == Usage(input_tokens=11, output_tokens=7, cache_read_tokens=3, final=True)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        pytest.param({**MESSAGE, "stop_reason": "error"}, ServerError, id="stop-reason-error"),
        pytest.param(
            {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, OverloadedError, id="error"
        ),
        pytest.param({"error": {"type": "rate_limit_error", "message": "x"}}, RateLimitError, id="error-without-type"),
        pytest.param([{"error": {"message": "x"}}], ServerError, id="in-a-list"),
    ],
)
def test_a_failure_that_is_told_in_the_body_is_one(document: Any, error: type[Error]) -> None:
    """Its class is that of its twin in a stream."""
    with pytest.raises(error) as caught:
        send(document)
    assert type(caught.value) is error
    assert caught.value.response_id == "req_7"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"id": "msgbatch_1", "type": "message_batch", "processing_status": "ended"}, id="batch"),
        pytest.param({"input_tokens": 12}, id="token-count"),
        pytest.param({"data": [], "has_more": False}, id="list"),
        pytest.param({**MESSAGE, "stop_reason": "a_new_one"}, id="unknown-stop-reason"),
        pytest.param({"id": "job_1", "error": {"message": "of the job"}}, id="resource-with-an-error"),
    ],
)
def test_any_other_answer_is_good(document: Any) -> None:
    """Also one that this library does not know."""
    assert send(document).json() == document
