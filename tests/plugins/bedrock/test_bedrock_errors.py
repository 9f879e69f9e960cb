"""Errors: an exception of a stream is of the class of its HTTP twin."""

import json

import pytest

from unbroken import Event, Request, Response
from unbroken.errors import (
    AuthenticationError,
    NetworkError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TimeoutError,
    ValidationError,
)
from unbroken.headers import Headers
from unbroken_bedrock import Bedrock

# The exceptions of the service's model with their statuses, and some of the common errors of AWS.
TWINS = [
    ("ThrottlingException", 429, RateLimitError, True),
    ("ModelNotReadyException", 429, RateLimitError, True),
    ("ServiceUnavailableException", 503, ServerError, True),
    ("InternalServerException", 500, ServerError, True),
    ("ModelErrorException", 424, ServerError, True),
    ("ModelStreamErrorException", 424, ServerError, True),
    ("ModelTimeoutException", 408, ServerError, True),
    ("ValidationException", 400, ValidationError, False),
    ("ServiceQuotaExceededException", 400, QuotaExceededError, False),
    ("AccessDeniedException", 403, AuthenticationError, False),
    ("ExpiredTokenException", 403, AuthenticationError, False),
    ("UnrecognizedClientException", 403, AuthenticationError, False),
    ("InvalidSignatureException", 403, AuthenticationError, False),
    ("ResourceNotFoundException", 404, ValidationError, False),
    ("ConflictException", 409, ValidationError, True),
    ("NewException", 418, ValidationError, False),
]
by_name = pytest.mark.parametrize(("name", "status", "kind", "retryable"), TWINS, ids=[each[0] for each in TWINS])


def from_response(status: int, body: bytes, **headers: str):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Bedrock().error_from_response(Response(status_code=status, headers=Headers.validated(fields)), body)


@by_name
@pytest.mark.parametrize("written", ["header", "type", "Message"])
def test_an_answer_names_its_error(name, status, kind, retryable, written):
    """In the header or in the body, with what stands around the name."""
    body = {"message": "told"}
    headers = {"x_amzn_errortype": f"{name}:http://internal.amazon.com/coral/", "x_amzn_requestid": "r-1"}
    if written == "type":
        body["__type"] = f"com.amazon.coral.service#{name}"
        del headers["x_amzn_errortype"]
    elif written == "Message":
        body = {"Message": "told"}
    error = from_response(status, json.dumps(body).encode(), **headers)
    assert (type(error), error.retryable, error.status_code) == (kind, retryable, status)
    assert (error.kind, error.response_id, error.message) == (name, "r-1", f"HTTP {status} {name}: told")


@by_name
def test_an_exception_is_the_error_that_it_is_over_http(name, status, kind, retryable):
    """The stream writes the name with a small letter, and there is no status."""
    told = name[0].lower() + name[1:]
    error = Bedrock().error_from_event(Event.make(f"exception:{told}", {"message": "told"}))
    expected = kind if name != "NewException" else ServerError
    assert (type(error), error.status_code, error.kind) == (expected, None, told)
    assert error.message == f"{told}: told"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Too many connections, please wait before trying again.", OverloadedError),
        ("Bedrock is unable to process your request.", ServerError),
    ],
    ids=["overload", "outage"],
)
def test_the_words_tell_an_overload_from_an_outage(words, kind):
    """Both are a ServiceUnavailableException with 503."""
    body = json.dumps({"message": words}).encode()
    answered = from_response(503, body, x_amzn_errortype="ServiceUnavailableException")
    told = Bedrock().error_from_event(Event.make("exception:serviceUnavailableException", {"message": words}))
    assert (type(answered), answered.status_code, answered.retryable) == (kind, 503, True)
    assert (type(told), told.status_code, told.retryable) == (kind, None, True)


@pytest.mark.parametrize(
    ("original", "kind", "status"),
    [(400, ValidationError, 400), (429, RateLimitError, 429), (500, ServerError, 500), ("400", ServerError, None)],
)
def test_the_status_that_a_model_gave_decides(original, kind, status):
    data = {"message": "told", "originalStatusCode": original, "originalMessage": "more"}
    error = Bedrock().error_from_event(Event.make("exception:modelStreamErrorException", data))
    assert (type(error), error.status_code) == (kind, status)
    other = Bedrock().error_from_event(Event.make("exception:throttlingException", data))
    assert type(other) is RateLimitError


def test_tokens_per_day_are_no_rate():
    """Waiting for seconds does not cure it."""
    error = from_response(429, b'{"message": "Too many tokens per day, please wait before trying again."}')
    assert type(error) is QuotaExceededError


@pytest.mark.parametrize(
    ("type", "raw", "message"),
    [
        ("error:InternalError", b'{"message": "told"}', "InternalError: told"),
        ("error:", b"", "the server reported an error"),
        ("exception:", b"not JSON", "the server reported an error: not JSON"),
        ("chunk", b'{"error": {"message": "told", "code": 503}}', "the server reported an error: told"),
        ("chunk", b'{"error": {"message": "told", "type": "throttlingException"}}', "throttlingException: told"),
    ],
)
def test_other_failures_of_a_stream(type, raw, message):
    assert Bedrock().error_from_event(Event(type, raw)).message == message


def test_an_error_of_the_messages_api_is_that_of_its_dialect():
    data = {"type": "error", "error": {"type": "overloaded_error", "message": "told"}}
    error = Bedrock().error_from_event(Event.make("error", data))
    assert (type(error), error.kind) == (OverloadedError, "overloaded_error")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"__type": "a#ThrottlingException", "message": "told"}', RateLimitError),
        (b'{"Output": {"__type": "a#UnknownOperationException"}, "Version": "1.0"}', ValidationError),
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "told"}}', OverloadedError),
        (b'{"output": {}, "stopReason": "end_turn"}', None),
        (b"[]", None),
    ],
    ids=["type", "output", "messages", "good", "list"],
)
def test_an_error_under_a_good_status(body, kind):
    """As an answer, and in place of a stream."""
    response = Response(status_code=200, headers=Headers.validated({"x-amzn-requestid": "r-1"}))
    request = Request.build("POST", "https://example.org/model/m/converse", json={}, stream=False)
    errors = [Bedrock().error_from_body(response, body), Bedrock().error_from_answer(request, response, body)]
    assert [None if error is None else (type(error), error.response_id) for error in errors] == [
        kind and (kind, "r-1")
    ] * 2


@pytest.mark.parametrize(
    ("error", "name", "again"),
    [
        (RateLimitError("told"), "throttlingException", RateLimitError),
        (OverloadedError("told"), "serviceUnavailableException", ServerError),
        (ServerError("told"), "internalServerException", ServerError),
        (ServerError("told", kind="ServiceUnavailableException"), "serviceUnavailableException", ServerError),
        (ServerError("told", kind="modelTimeoutException"), "internalServerException", ServerError),
        (ValidationError("told"), "validationException", ValidationError),
        (AuthenticationError("told"), "validationException", ValidationError),
        (NetworkError("told"), "modelStreamErrorException", ServerError),
        (TimeoutError("told"), "modelStreamErrorException", ServerError),
    ],
    ids=repr,
)
def test_an_error_is_written_as_an_exception_of_the_stream(error, name, again):
    """As one that both streams have, and the dialect reads it again."""
    event = Bedrock().error_event(error)
    assert (event.type, event.json()) == (f"exception:{name}", {"message": "told"})
    assert type(Bedrock().error_from_event(event)) is again
