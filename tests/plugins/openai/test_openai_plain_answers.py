"""Answers that are not streamed, and the failures that they can report under status 200."""

from typing import Any

import msgspec
import pytest

from unbroken import Client, Error, QuotaExceededError, RateLimitError, ServerError, Usage
from unbroken.testing import Answer, FakeClock, ScriptedTransport
from unbroken_openai import OpenAI

JSON = {"content-type": "application/json", "x-request-id": "req_7"}
CHOICE: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [CHOICE],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "error": None,
    "output": [],
    "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
}
SPENT = {"code": "insufficient_quota", "message": "x"}


def send(document: Any, method: str = "POST") -> Any:
    clock = FakeClock()
    transport = ScriptedTransport([Answer(headers=JSON, body=msgspec.json.encode(document))], clock)
    with Client([], dialect=OpenAI(), transport=transport, clock=clock) as client:
        return client.send(method, "https://api.openai.com/v1/anything")


@pytest.mark.parametrize("document", [COMPLETION, RESPONSE], ids=["chat-completions", "responses"])
def test_an_answer_has_its_usage(document: Any) -> None:
    """The counts are final: nothing follows them."""
    answer = send(document)
    assert answer.json() == document
    assert answer.usage == Usage(input_tokens=11, output_tokens=7, final=True)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        pytest.param(
            {**COMPLETION, "choices": [{**CHOICE, "finish_reason": "error"}]}, ServerError, id="finish-reason"
        ),
        pytest.param({**COMPLETION, "choices": [{**CHOICE, "error": {"code": 429}}]}, RateLimitError, id="in-a-choice"),
        pytest.param({**RESPONSE, "status": "failed", "error": {"message": "x"}}, ServerError, id="failed-response"),
        pytest.param({**RESPONSE, "status": "failed"}, ServerError, id="failed-without-words"),
        pytest.param({**RESPONSE, "status": "failed", "error": SPENT}, QuotaExceededError, id="failed-by-quota"),
        pytest.param({"error": SPENT}, QuotaExceededError, id="error"),
        pytest.param({"object": "error", "message": "x", "code": 503}, ServerError, id="object-error"),
        pytest.param([{"error": {"code": 429, "message": "x"}}], RateLimitError, id="in-a-list"),
    ],
)
def test_a_failure_that_is_told_in_the_body_is_one(document: Any, error: type[Error]) -> None:
    """Its class is that of its twin in a stream."""
    with pytest.raises(error) as caught:
        send(document)
    assert type(caught.value) is error
    assert caught.value.response_id == "req_7"


@pytest.mark.parametrize(
    ("method", "document"),
    [
        pytest.param("GET", {**RESPONSE, "status": "failed", "error": SPENT}, id="failed-response-that-is-fetched"),
        pytest.param("POST", {**RESPONSE, "status": "cancelled"}, id="response-that-was-cancelled-on-request"),
        pytest.param("POST", {**RESPONSE, "status": "incomplete"}, id="incomplete"),
        pytest.param("POST", {**RESPONSE, "status": "queued"}, id="in-the-background"),
        pytest.param("GET", {"id": "j", "object": "fine_tuning.job", "status": "failed", "error": SPENT}, id="job"),
        pytest.param(
            "GET", {"id": "b", "object": "batch", "status": "failed", "errors": {"data": [SPENT]}}, id="batch"
        ),
        pytest.param("POST", {"object": "list", "data": [{"embedding": [0.5]}]}, id="embeddings"),
        pytest.param(
            "POST", {**COMPLETION, "choices": [{**CHOICE, "finish_reason": "a_new_one"}]}, id="unknown-reason"
        ),
        pytest.param("GET", {"code": 500, "data": []}, id="a-number-alone"),
    ],
)
def test_any_other_answer_is_good(method: str, document: Any) -> None:
    """Also what a resource says about itself."""
    assert send(document, method).json() == document
