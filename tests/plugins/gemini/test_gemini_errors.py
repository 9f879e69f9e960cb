"""Which error an answer or an event of the Gemini API is."""

import json
from typing import Any

import pytest

from unbroken.errors import (
    AuthenticationError,
    CircuitOpenError,
    Error,
    NetworkError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    ValidationError,
)
from unbroken.headers import Headers
from unbroken.messages import Event, Request, Response
from unbroken_gemini import Gemini

from .chunks import candidate, failure

DIALECT = Gemini()
INFO, QUOTA, RETRY = (f"type.googleapis.com/google.rpc.{name}" for name in ("ErrorInfo", "QuotaFailure", "RetryInfo"))
DAILY = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}
MINUTE = {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}


def info(reason: Any, **fields: Any) -> dict[str, Any]:
    return {"@type": INFO, "reason": reason, "domain": "googleapis.com", **fields}


def quota(*violations: Any) -> dict[str, Any]:
    return {"@type": QUOTA, "violations": [*violations]}


def case(code: int, status: str, kind: type[Error], *details: Any, words: str = "why", again: bool = False) -> Any:
    label = f"{code}-{status}-{kind.__name__}-{len(details)}-{words[:9]}"
    fields = {"details": [*details]} if details else {}
    return pytest.param(failure(code, status, words, **fields), kind, again, id=label)


TOLD = [
    case(400, "INVALID_ARGUMENT", ValidationError),
    case(400, "FAILED_PRECONDITION", ValidationError, words="User location is not supported for the API use."),
    case(400, "INVALID_ARGUMENT", AuthenticationError, info("API_KEY_INVALID"), words="API key not valid."),
    case(401, "UNAUTHENTICATED", AuthenticationError, info("ACCESS_TOKEN_EXPIRED")),
    case(403, "PERMISSION_DENIED", AuthenticationError),
    case(403, "PERMISSION_DENIED", AuthenticationError, info("SERVICE_DISABLED")),
    case(403, "PERMISSION_DENIED", QuotaExceededError, info("BILLING_DISABLED")),
    case(404, "NOT_FOUND", ValidationError),
    case(409, "ABORTED", ValidationError, again=True),
    case(429, "RESOURCE_EXHAUSTED", RateLimitError, again=True),
    case(429, "RESOURCE_EXHAUSTED", RateLimitError, quota(MINUTE), again=True),
    case(429, "RESOURCE_EXHAUSTED", QuotaExceededError, quota(MINUTE, DAILY)),
    case(429, "RESOURCE_EXHAUSTED", QuotaExceededError, info("QUOTA_EXHAUSTED")),
    case(429, "RESOURCE_EXHAUSTED", QuotaExceededError, info("RATE_LIMIT_EXCEEDED", metadata={"quota_limit": "Daily"})),
    case(429, "RESOURCE_EXHAUSTED", OverloadedError, info("MODEL_CAPACITY_EXHAUSTED"), again=True),
    case(499, "CANCELLED", ServerError, words="The operation was cancelled.", again=True),
    case(500, "INTERNAL", ServerError, again=True),
    case(501, "UNIMPLEMENTED", ServerError, again=True),
    case(503, "UNAVAILABLE", ServerError, again=True),
    case(503, "UNAVAILABLE", OverloadedError, words="The model is overloaded.", again=True),
    case(503, "UNAVAILABLE", OverloadedError, words="currently experiencing high demand.", again=True),
    case(504, "DEADLINE_EXCEEDED", ServerError, again=True),
]


def answer(status: int, **headers: str) -> Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status_code=status, headers=Headers(fields), received_at=1_000.0)


@pytest.mark.parametrize(("body", "kind", "again"), TOLD)
def test_an_error_is_the_same_in_an_answer_and_in_a_stream(body: Any, kind: type[Error], again: bool) -> None:
    """Class, whether it can be retried, number and name: from the body, in a list too, under a foreign status too."""
    code, raw = body["error"]["code"], json.dumps(body).encode()
    told = [
        DIALECT.error_from_response(answer(code), raw),
        DIALECT.error_from_response(answer(502), raw),
        DIALECT.error_from_response(answer(code), b"[%b]" % raw),
        DIALECT.error_from_event(Event("message", raw)),
        DIALECT.error_from_event(Event("message", b'[{"candidates": []}, %b]' % raw)),
        DIALECT.error_from_body(answer(200), raw),
        DIALECT.error_from_answer(Request(method="POST", url="https://x"), answer(200), b"[{}, %b]" % raw),
    ]
    for error in told:
        assert error is not None
        assert (type(error), error.retryable, error.status_code) == (kind, again, code)
        assert body["error"]["message"] in str(error)


def test_a_known_status_name_decides_before_the_numbers() -> None:
    """The HTTP status decides for a body that says nothing."""
    renamed = {"error": {"status": "RESOURCE_EXHAUSTED", "message": "x"}}
    error = DIALECT.error_from_response(answer(500), json.dumps(renamed).encode())
    assert (type(error), error.status_code) == (RateLimitError, 500)
    assert type(DIALECT.error_from_response(answer(401), b"<html><title>No</title>")) is AuthenticationError
    odd = DIALECT.error_from_response(answer(500), b'{"error": {"code": 429, "status": "Too Many Requests"}}')
    assert (type(odd), odd.kind) == (RateLimitError, "Too Many Requests")
    assert type(DIALECT.error_from_event(Event("error", b""))) is ServerError


def test_a_wait_is_the_one_that_the_server_asks_for() -> None:
    """In the details, in the words, or in the head."""
    detail = failure(429, "RESOURCE_EXHAUSTED", details=[{"@type": RETRY, "retryDelay": "39.5s"}])
    assert DIALECT.error_from_event(Event.make("", detail)).retry_after == 39.5
    words = failure(429, "RESOURCE_EXHAUSTED", "Quota exceeded. Please retry in 37.25s.")
    assert DIALECT.error_from_event(Event.make("", words)).retry_after == 37.25
    assert DIALECT.error_from_response(answer(429, retry_after="7"), json.dumps(detail).encode()).retry_after == 7


def test_the_id_of_the_request_is_in_the_details() -> None:
    """The API sends no header with it; a proxy may."""
    raw = json.dumps(failure(500, "INTERNAL", details=[{"requestId": "abc"}, info(3)])).encode()
    assert DIALECT.error_from_response(answer(500), raw).response_id == "abc"
    assert DIALECT.error_from_response(answer(500, x_request_id="proxy"), raw).response_id == "proxy"


def test_the_older_form_of_reasons_is_read() -> None:
    """Beside the details."""
    body = failure(403, "PERMISSION_DENIED", errors=[{"reason": "API_KEY_INVALID"}, {"reason": None}, "x"])
    assert DIALECT.error_from_event(Event.make("", body)).kind == "API_KEY_INVALID"


def test_a_resource_may_have_an_error_of_its_own() -> None:
    """An operation that failed is a good answer to the question how it is."""
    request = Request(method="GET", url="https://x/v1beta/operations/1")
    operation = {"name": "operations/1", "done": True, "error": {"code": 3, "message": "x"}}
    assert DIALECT.error_from_answer(request, answer(200), json.dumps(operation).encode()) is None
    assert DIALECT.error_from_answer(request, answer(200), b"{") is None
    assert DIALECT.error_from_body(answer(200), b"<html>") is None
    assert DIALECT.error_from_body(answer(200), b'{"totalTokens": 3}') is None


ALL = [
    pytest.param(AuthenticationError("x"), 401, "UNAUTHENTICATED", id="authentication"),
    pytest.param(RateLimitError("x", retry_after=1.5), 429, "RESOURCE_EXHAUSTED", id="rate-limit"),
    pytest.param(ValidationError("x"), 400, "INVALID_ARGUMENT", id="validation"),
    pytest.param(OverloadedError("x"), 503, "UNAVAILABLE", id="overloaded"),
    pytest.param(TimeoutError("x", timeout="idle"), 504, "DEADLINE_EXCEEDED", id="timeout"),
    pytest.param(TruncatedStreamError("x"), 503, "UNAVAILABLE", id="truncated"),
    pytest.param(NetworkError("x"), 503, "UNAVAILABLE", id="network"),
    pytest.param(CircuitOpenError("x"), 503, "UNAVAILABLE", id="circuit"),
    pytest.param(StreamError("x"), 500, "INTERNAL", id="stream"),
    pytest.param(ServerError("x", status_code=502), 502, "INTERNAL", id="number"),
    pytest.param(ServerError("x", kind="CANCELLED"), 499, "CANCELLED", id="name"),
    pytest.param(ValidationError("x", status_code=404), 404, "NOT_FOUND", id="not-found"),
]


@pytest.mark.parametrize(("error", "code", "status"), ALL)
def test_an_error_event_is_one_of_the_api(error: Error, code: int, status: str) -> None:
    """With the number and the name that belong to its class, and with the wait."""
    event = DIALECT.error_event(error)
    assert event.raw.startswith(b'{"error":')
    assert (event["error"]["code"], event["error"]["status"]) == (code, status)
    assert DIALECT.error_from_event(event).retry_after == error.retry_after


def test_chunks_without_their_framing_are_told_from_errors() -> None:
    """They name what the request lacks."""
    body = json.dumps([{"candidates": [candidate("Hello", finish="STOP")]}]).encode()
    error = DIALECT.error_from_body(answer(200, content_type="application/json"), body)
    assert error is not None
    assert "alt=sse" in str(error)
