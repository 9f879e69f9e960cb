"""Which error an answer or an event of the Messages API is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken.errors import (
    AuthenticationError,
    Error,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from unbroken.headers import Headers
from unbroken.messages import Event, Response
from unbroken_anthropic import Anthropic

DIALECT = Anthropic()
OWN_LIMIT = "You have reached your specified API usage limits. You will regain access on 2026-03-01."
NO_CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."


def body(type: Any, message: Any = "why", **rest: Any) -> bytes:
    """Make the body of an error as the API sends it, in an answer or in an event."""
    error = {"type": type, "message": message, **rest}
    return json.dumps({"type": "error", "error": error, "request_id": "req_body"}).encode()


def answer(status: int, **headers: str) -> Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status_code=status, headers=Headers(fields), received_at=1_000.0)


DOCUMENTED = [
    pytest.param(400, "invalid_request_error", ValidationError, False, id="B21-400"),
    pytest.param(401, "authentication_error", AuthenticationError, False, id="B21-401"),
    pytest.param(402, "billing_error", QuotaExceededError, False, id="B21-402"),
    pytest.param(403, "permission_error", AuthenticationError, False, id="B21-403"),
    pytest.param(404, "not_found_error", ValidationError, False, id="B21-404"),
    pytest.param(412, "memory_precondition_failed_error", ValidationError, False, id="B21-412"),
    pytest.param(413, "request_too_large", ValidationError, False, id="B21-413"),
    pytest.param(409, "conflict_error", ValidationError, True, id="B22-409"),
    pytest.param(409, "memory_path_conflict_error", ValidationError, True, id="B22-409-memory"),
    pytest.param(429, "rate_limit_error", RateLimitError, True, id="B22-429"),
    pytest.param(500, "api_error", ServerError, True, id="B22-500"),
    pytest.param(504, "timeout_error", ServerError, True, id="B22-504"),
    pytest.param(529, "overloaded_error", OverloadedError, True, id="B22-529"),
]


@pytest.mark.parametrize(("status", "type", "expected", "retryable"), DOCUMENTED)
def test_an_answer_is_the_error_of_its_type(status: int, type: str, expected: type[Error], retryable: bool):
    """The documented pairs of status and type."""
    error = DIALECT.error_from_response(answer(status), body(type))
    assert error.__class__ is expected
    assert error.message == f"HTTP {status} {type}: why"
    assert (error.status_code, error.kind, error.retryable) == (status, type, retryable)


@pytest.mark.parametrize(("status", "type", "expected", "retryable"), DOCUMENTED)
def test_an_error_event_is_the_class_of_its_http_twin(status: int, type: str, expected: type[Error], retryable: bool):
    """The same error whether it comes as a status or in the stream (D47, D48); its status was 200."""
    error = DIALECT.error_from_event(Event("error", body(type)))
    assert error.__class__ is expected
    assert error.message == f"{type}: why"
    assert (error.status_code, error.kind, error.retryable) == (None, type, retryable)
    assert error.response_id == "req_body"


@pytest.mark.parametrize(
    ("status", "type", "expected", "retryable"),
    [
        pytest.param(500, "overloaded_error", OverloadedError, True, id="gateway-500-overloaded"),
        pytest.param(400, "rate_limit_error", RateLimitError, True, id="gateway-400-rate-limit"),
        pytest.param(502, "authentication_error", AuthenticationError, False, id="gateway-502-authentication"),
        pytest.param(500, "invalid_request_error", ValidationError, False, id="gateway-500-invalid"),
        pytest.param(400, "api_error", ServerError, True, id="gateway-400-api"),
        pytest.param(401, "invalid_request_error", AuthenticationError, False, id="generic-401"),
        pytest.param(408, "invalid_request_error", ValidationError, True, id="B22-generic-408"),
        pytest.param(422, "invalid_request_error", ValidationError, False, id="B21-generic-422"),
        pytest.param(429, "invalid_request_error", RateLimitError, True, id="B22-generic-429"),
        pytest.param(503, "api_error", ServerError, True, id="B22-generic-503"),
        pytest.param(529, "api_error", OverloadedError, True, id="B22-generic-529"),
        pytest.param(429, "brand_new_error", RateLimitError, True, id="unknown-type-429"),
        pytest.param(403, "brand_new_error", AuthenticationError, False, id="unknown-type-403"),
        pytest.param(503, None, ServerError, True, id="no-type-503"),
        pytest.param(408, None, ValidationError, True, id="B22-no-type-408"),
        pytest.param(408, "timeout_error", ServerError, True, id="B22-408-timeout"),
        pytest.param(402, None, QuotaExceededError, False, id="B32-no-type-402"),
        pytest.param(402, "invalid_request_error", QuotaExceededError, False, id="B32-generic-402"),
        pytest.param(500, "billing_error", QuotaExceededError, False, id="gateway-500-billing"),
        pytest.param(429, ["rate_limit_error"], RateLimitError, True, id="type-is-list"),
    ],
)
def test_a_type_goes_before_a_strange_status_unless_it_says_less(
    status: int, type: Any, expected: type[Error], retryable: bool
):
    """The two generic types leave it to a status of their own kind, unknown types always do."""
    error = DIALECT.error_from_response(answer(status), body(type))
    assert error.__class__ is expected
    assert (error.status_code, error.retryable) == (status, retryable)
    assert error.kind == (type if isinstance(type, str) else None)


SPENT = [
    pytest.param(429, "rate_limit_error", "enforced_spend_limit_reached", "why", id="B32-enforced"),
    pytest.param(429, "rate_limit_error", "contract_spend_limit_reached", "why", id="B32-contract"),
    pytest.param(402, "billing_error", "linked_organization_spend_limit_reached", "why", id="B32-linked"),
    pytest.param(400, "invalid_request_error", None, OWN_LIMIT, id="B32-own-limit"),
    pytest.param(400, "invalid_request_error", None, NO_CREDIT, id="B32-empty-account"),
]


@pytest.mark.parametrize(("status", "type", "code", "message"), SPENT)
def test_what_is_spent_is_still_spent_when_it_is_told_on(status: int, type: str, code: str | None, message: str):
    """The event for it has none of its code; under its own type it would be read as a limit that passes."""
    error = DIALECT.error_from_response(answer(status), body(type, message, details={"error_code": code}))
    again = DIALECT.error_from_event(DIALECT.error_event(error))
    assert (again.__class__, again.kind) == (QuotaExceededError, "billing_error")


@pytest.mark.parametrize(("status", "type", "code", "message"), SPENT)
def test_what_is_spent_is_a_quota_and_not_worth_another_try(status: int, type: str, code: str | None, message: str):
    """Waiting cannot cure it, in an answer, in an event or under a 200."""
    raw = body(type, message, details={"error_code": code})
    event = DIALECT.error_from_event(Event("error", raw))
    under_200 = DIALECT.error_from_body(answer(200), raw)
    for error in (DIALECT.error_from_response(answer(status), raw), event, under_200):
        assert error is not None
        assert error.__class__ is QuotaExceededError
        assert not error.retryable
        assert error.kind == type
        assert message in error.message
        assert code is None or f"{type} ({code}): " in error.message


@pytest.mark.parametrize(
    "details",
    [
        pytest.param({"error_code": "ramp_limit_exceeded"}, id="ramp-limit"),
        pytest.param({"error_code": "something_new"}, id="unknown-code"),
        pytest.param({"error_code": ["enforced_spend_limit_reached"]}, id="code-is-list"),
        pytest.param(["enforced_spend_limit_reached"], id="details-is-list"),
        pytest.param(None, id="null"),
    ],
)
def test_a_rate_limit_is_one_unless_it_is_known_to_be_spent(details: Any):
    """A ramp limit caps growth and is cured by waiting; what is not known may be."""
    error = DIALECT.error_from_response(answer(429, retry_after="3"), body("rate_limit_error", details=details))
    assert error.__class__ is RateLimitError
    assert (error.retryable, error.retry_after) == (True, 3.0)


@pytest.mark.parametrize(
    ("status", "raw", "expected", "message"),
    [
        pytest.param(
            413,
            b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>",
            ValidationError,
            "HTTP 413: 413 Request Entity Too Large",
            id="B25-413-from-the-edge",
        ),
        pytest.param(529, b"", OverloadedError, "HTTP 529", id="B25-empty"),
        pytest.param(503, b"\xff\xfe", ServerError, "HTTP 503: ��", id="B25-not-utf-8"),
        pytest.param(500, b"[" * 100_000, ServerError, "HTTP 500: " + "[" * 200, id="B25-deep"),
        pytest.param(429, b'"slow"', RateLimitError, 'HTTP 429: "slow"', id="B25-json-text"),
        pytest.param(502, b'{"error":"down"}', ServerError, "HTTP 502: down", id="B25-error-text"),
        pytest.param(401, b'{"message":"who?"}', AuthenticationError, "HTTP 401: who?", id="B25-gateway-json"),
    ],
)
def test_an_answer_that_is_not_the_apis_is_still_the_error_of_its_status(
    status: int, raw: bytes, expected: type[Error], message: str
):
    """A proxy's page says what it can."""
    error = DIALECT.error_from_response(answer(status), raw)
    assert error.__class__ is expected
    assert (error.message, error.kind, error.response_id) == (message, None, None)


def test_an_answer_carries_what_its_head_says():
    """The response id of the head goes before that of the body; both hints are kept (B23, B31)."""
    response = answer(529, request_id="req_head", retry_after="60", retry_after_ms="1500", x_should_retry="true")
    error = DIALECT.error_from_response(response, body("overloaded_error"))
    assert (error.response_id, error.retry_after, error.should_retry) == ("req_head", 1.5, True)
    assert DIALECT.error_from_response(answer(529), body("overloaded_error")).response_id == "req_body"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(b"", "the server reported an error", id="D49-empty"),
        pytest.param(b"upstream died\n", "the server reported an error: upstream died", id="D49-text"),
        pytest.param(b'{"type":"er', 'the server reported an error: {"type":"er', id="D49-cut"),
        pytest.param(b"[1]", "the server reported an error: [1]", id="D49-no-object"),
        pytest.param(b'{"error":"down"}', "the server reported an error: down", id="D49-error-text"),
        pytest.param(b'{"error":{"message":"down","type":7}}', "the server reported an error: down", id="D49-type"),
        pytest.param(b'{"error":{"message":"x","type":"new"}}', "new: x", id="D46-unknown-type"),
        pytest.param(b'{"error":{"message":"a\\nb","type":"x\\u001b[31m"}}', "x [31m: a b", id="E69-one-literal-line"),
        pytest.param(b"[" * 100_000, "the server reported an error: " + "[" * 200, id="D49-deep"),
    ],
)
def test_an_error_event_that_cannot_be_read_is_still_a_server_error(raw: bytes, message: str):
    """That there was an error is certain, so another try may help."""
    error = DIALECT.error_from_event(Event("error", raw))
    assert error.__class__ is ServerError
    assert (error.message, error.retryable, error.response_id) == (message, True, None)


def test_an_error_object_under_200_is_the_error_of_its_type():
    """Some gateways answer 200 to everything (B17)."""
    error = DIALECT.error_from_body(answer(200, request_id="req_head"), body("overloaded_error"))
    assert error.__class__ is OverloadedError
    assert error.message == "overloaded_error: why"
    assert (error.status_code, error.response_id) == (None, "req_head")


@pytest.mark.parametrize("raw", [b'{"error":"slow down"}', b'{"type":"error","message":"slow down"}'])
def test_the_error_of_a_body_may_be_text(raw: bytes):
    """Beside the type of the API or without it."""
    error = DIALECT.error_from_body(answer(200), raw)
    assert (error.__class__, error.message) == (ServerError, "the server reported an error: slow down")


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        pytest.param(
            {"type": "message_delta", "delta": {"stop_reason": "error"}},
            ServerError,
            "the server reported an error: the model stopped with 'error'",
            id="alone",
        ),
        pytest.param(
            {"delta": {"stop_reason": "error"}, "error": {"type": "overloaded_error", "message": "busy"}},
            OverloadedError,
            "overloaded_error: busy",
            id="with-an-error",
        ),
        pytest.param(
            {"delta": {"stop_reason": "error"}, "error": "busy"},
            ServerError,
            "the server reported an error: busy",
            id="with-a-text",
        ),
        pytest.param(
            {"message": {"stop_reason": "network_error"}},
            ServerError,
            "the server reported an error: the model stopped with 'network_error'",
            id="at-the-start",
        ),
    ],
)
def test_a_stop_reason_may_be_an_error(event: dict[str, Any], kind: type[Error], message: str):
    """The class is that of an error beside it."""
    error = DIALECT.error_from_event(Event.make("message_delta", event))
    assert (error.__class__, error.message) == (kind, message)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"type":"message","content":[]}', id="B17-a-message"),
        pytest.param(b'{"error":null}', id="B17-null"),
        pytest.param(b'{"error":""}', id="B17-empty"),
        pytest.param(b"[1]", id="B17-array"),
        pytest.param(b"{", id="B17-no-json"),
        pytest.param(b"[" * 100_000, id="B17-deep"),
    ],
)
def test_a_body_under_200_without_an_error_object_reports_none(raw: bytes):
    """What it is instead the engine says: no event stream."""
    assert DIALECT.error_from_body(answer(200), raw) is None


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
NAMES = st.sampled_from(["type", "error", "message", "details", "error_code", "request_id"])
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=12,
)


@given(
    raw=st.binary(max_size=200) | DOCUMENTS.map(lambda document: json.dumps(document).encode()),
    status=st.integers(min_value=400, max_value=599),
)
def test_no_bytes_break_the_making_of_an_error(raw: bytes, status: int):
    """There is always a typed error of one bounded, printable line."""
    for error in (
        DIALECT.error_from_response(answer(status), raw),
        DIALECT.error_from_event(Event("error", raw)),
        DIALECT.error_from_body(answer(200), raw) or ServerError("x"),
    ):
        assert error.message.isprintable()
        assert 0 < len(error.message) <= 450
        assert not error.is_local
