"""Errors: by the status where there is one, else by the words, and of the same class in a stream as over HTTP."""

import json

import pytest

from unbroken import Event, Response
from unbroken.errors import (
    AuthenticationError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from unbroken.headers import Headers
from unbroken_ollama import Ollama

# The words of the server's handlers, and the status that it gives with them.
TOLD = [
    pytest.param("model 'llama9' not found", 404, ValidationError, id="not-found"),
    pytest.param('model "llama9" not found, try pulling it first', 404, ValidationError, id="pull-first"),
    pytest.param("pull model manifest: file does not exist", 404, ValidationError, id="manifest"),
    pytest.param('"gemma" does not support tools', 400, ValidationError, id="no-tools"),
    pytest.param("the input length exceeds the context length", 400, ValidationError, id="context"),
    pytest.param("model is required", 400, ValidationError, id="required"),
    pytest.param("unauthorized", 401, AuthenticationError, id="unauthorized"),
    pytest.param("you are not authorized to push to this namespace", 403, AuthenticationError, id="not-authorized"),
    pytest.param("this model requires a subscription", 403, AuthenticationError, id="subscription"),
    pytest.param("rate limit exceeded", 429, RateLimitError, id="rate-limit"),
    pytest.param("too many concurrent requests", 429, RateLimitError, id="too-many"),
    pytest.param("you (x) have reached your weekly usage limit", 429, QuotaExceededError, id="weekly"),
    pytest.param("you've reached your usage limit", 429, QuotaExceededError, id="usage"),
    pytest.param("server busy, please try again.  maximum pending requests exceeded", 503, OverloadedError, id="busy"),
    pytest.param("the model is overloaded", 503, OverloadedError, id="overloaded"),
    pytest.param("the service is temporarily unavailable", 503, ServerError, id="unavailable"),
    pytest.param("model requires more system memory (9 GiB) than is available", 500, ServerError, id="memory"),
    pytest.param("llama runner process has terminated: exit status 2", 500, ServerError, id="runner"),
    pytest.param("an error was encountered while running the model", 500, ServerError, id="running"),
]


def from_response(status: int, body: bytes):
    return Ollama().error_from_response(Response(status_code=status, headers=Headers.validated({})), body)


@pytest.mark.parametrize(("words", "status", "kind"), TOLD)
def test_a_line_is_the_error_that_its_words_are_over_http(words, status, kind):
    body = json.dumps({"error": words}).encode()
    line, answer = Ollama().error_from_event(Event("message", body)), from_response(status, body)
    assert (type(line), type(answer)) == (kind, kind)
    assert (line.status_code, answer.status_code) == (None, status)
    assert line.retryable == answer.retryable
    shown = " ".join(words.split())
    assert (line.message, answer.message) == (f"the server reported an error: {shown}", f"HTTP {status}: {shown}")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b'{"StatusCode": 429, "Status": "429 Too Many Requests", "error": "slow down"}', 429, RateLimitError),
        (b'{"error": "no", "status": 404}', 404, ValidationError),
        (b'{"error": {"message": "no", "code": 401}}', 401, AuthenticationError),
        (b'{"StatusCode": 42, "error": "no"}', None, ServerError),
        (b'{"StatusCode": true, "error": 7}', None, ServerError),
        (b"nothing", None, ServerError),
        (b"", None, ServerError),
    ],
)
def test_a_status_in_the_line_decides(body, status, kind):
    error = Ollama().error_from_event(Event("message", body))
    assert (type(error), error.status_code) == (kind, status)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": ""}', 'HTTP 500: {"error": ""}'),
        (b"", "HTTP 500"),
        (b"<title>502 Bad Gateway</title>", "HTTP 500: 502 Bad Gateway"),
    ],
)
def test_a_status_without_words_is_enough(body, message):
    error = from_response(500, body)
    assert (type(error), str(error), error.status_code) == (ServerError, message, 500)


def test_the_words_do_not_overrule_a_status():
    """They are free text: the server failed while it looked for something."""
    assert type(from_response(500, b'{"error": "model tensor not found"}')) is ServerError
    assert type(from_response(402, b'{"error": "no credit"}')) is QuotaExceededError


def test_an_error_is_written_as_a_line():
    """The dialect reads it again as the same error."""
    event = Ollama().error_event(RateLimitError("rate limit reached"))
    assert event.json() == {"error": "rate limit reached"}
    assert type(Ollama().error_from_event(event)) is RateLimitError
