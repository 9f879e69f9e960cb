"""Which error an answer or an event of the OpenAI APIs is."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseError

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
from unbroken_openai import OpenAI

DIALECT = OpenAI()


def body(code: Any = None, type: Any = None, message: Any = "why") -> bytes:
    """Make the body of an error as the API sends it, in an answer or in a chunk."""
    return json.dumps({"error": {"message": message, "type": type, "param": None, "code": code}}).encode()


def answer(status: int, **headers: str) -> Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status_code=status, headers=Headers(fields), received_at=1_000.0)


INVALID = "invalid_request_error"
DOCUMENTED = [
    pytest.param(400, "context_length_exceeded", INVALID, ValidationError, False, id="400-context"),
    pytest.param(400, "content_filter", None, ValidationError, False, id="400-azure-filter"),
    pytest.param(400, None, INVALID, ValidationError, False, id="400"),
    pytest.param(401, "invalid_api_key", INVALID, AuthenticationError, False, id="401"),
    pytest.param(
        403, "unsupported_country_region_territory", "request_forbidden", AuthenticationError, False, id="403"
    ),
    pytest.param(404, "model_not_found", INVALID, ValidationError, False, id="404-model"),
    pytest.param(404, "DeploymentNotFound", None, ValidationError, False, id="404-azure"),
    pytest.param(409, None, "conflict_error", ValidationError, True, id="409"),
    pytest.param(429, "rate_limit_exceeded", "tokens", RateLimitError, True, id="429-tokens"),
    pytest.param(429, "rate_limit_exceeded", "requests", RateLimitError, True, id="429-requests"),
    pytest.param(429, None, "tokens", RateLimitError, True, id="429-type-alone"),
    pytest.param(429, "slow_down", None, RateLimitError, True, id="429-slow-down"),
    pytest.param(500, None, "server_error", ServerError, True, id="500"),
    pytest.param(500, "server_error", None, ServerError, True, id="500-code"),
    pytest.param(503, None, "service_unavailable_error", ServerError, True, id="503"),
    pytest.param(503, "server_is_overloaded", "service_unavailable_error", OverloadedError, True, id="503-overloaded"),
    pytest.param(503, None, "overloaded_error", OverloadedError, True, id="503-overloaded-type"),
    pytest.param(503, "engine_overloaded", "server_error", OverloadedError, True, id="503-engine"),
]


@pytest.mark.parametrize(("status", "code", "type", "expected", "retryable"), DOCUMENTED)
def test_an_answer_is_the_error_of_its_code(
    status: int, code: str | None, type: str | None, expected: type[Error], retryable: bool
):
    """The documented sets of status, code and type."""
    error = DIALECT.error_from_response(answer(status), body(code, type))
    assert error.__class__ is expected
    assert error.message == f"HTTP {status} {code or type}: why"
    assert (error.status_code, error.kind, error.retryable) == (status, code or type, retryable)


@pytest.mark.parametrize(("status", "code", "type", "expected", "retryable"), DOCUMENTED)
@pytest.mark.parametrize("form", ["chunk", "error", "nested", "failed"])
def test_an_error_in_the_stream_is_the_class_of_its_http_twin(
    form: str, status: int, code: str | None, type: str | None, expected: type[Error], retryable: bool
):
    """The same whether it comes as a status, in a chunk or in an event of the Responses API; its status was 200."""
    error = {"message": "why", "type": type, "param": None, "code": code}
    documents = {
        "chunk": {"error": error},
        "error": {"type": "error", "code": code or type, "message": "why", "param": None, "sequence_number": 3},
        "nested": {"type": "error", "sequence_number": 3, "error": error},
        "failed": {"type": "response.failed", "response": {"instructions": "secret", "error": error}},
    }
    made = DIALECT.error_from_event(Event.make("error", documents[form]))
    assert made.__class__ is expected
    assert made.message == f"{code or type}: why"
    assert (made.status_code, made.kind, made.retryable) == (None, code or type, retryable)


@pytest.mark.parametrize(
    ("status", "code", "type", "expected", "retryable"),
    [
        pytest.param(500, "rate_limit_exceeded", None, RateLimitError, True, id="gateway-500-rate-limit"),
        pytest.param(400, "invalid_api_key", INVALID, AuthenticationError, False, id="gateway-400-key"),
        pytest.param(502, None, "overloaded_error", OverloadedError, True, id="gateway-502-overloaded"),
        pytest.param(500, None, INVALID, ValidationError, False, id="gateway-500-invalid"),
        pytest.param(401, None, INVALID, AuthenticationError, False, id="generic-401"),
        pytest.param(403, None, INVALID, AuthenticationError, False, id="generic-403"),
        pytest.param(408, None, INVALID, ValidationError, True, id="generic-408"),
        pytest.param(422, None, INVALID, ValidationError, False, id="generic-422"),
        pytest.param(429, None, INVALID, RateLimitError, True, id="generic-429"),
        pytest.param(504, None, "server_error", ServerError, True, id="generic-504"),
        pytest.param(529, None, "server_error", OverloadedError, True, id="generic-529"),
        pytest.param(413, "rate_limit_exceeded", "tokens", ValidationError, False, id="never-fits-into-the-limit"),
        pytest.param(429, "brand_new", None, RateLimitError, True, id="unknown-429"),
        pytest.param(403, None, "brand_new", AuthenticationError, False, id="unknown-403"),
        pytest.param(503, None, None, ServerError, True, id="no-code-503"),
        pytest.param(429, ["invalid_api_key"], {"a": 1}, RateLimitError, True, id="code-is-list"),
        pytest.param(429, 400, None, ValidationError, False, id="number-before-status"),
        pytest.param(429, "429", None, RateLimitError, True, id="azure-429"),
        pytest.param(401, "401", None, AuthenticationError, False, id="azure-401"),
    ],
)
def test_a_code_goes_before_a_strange_status_unless_it_says_less(
    status: int, code: Any, type: Any, expected: type[Error], retryable: bool
):
    """The generic types leave it to a status of their own hundred, unknown ones always do; a number is the status."""
    error = DIALECT.error_from_response(answer(status), body(code, type))
    assert error.__class__ is expected
    assert (error.status_code, error.retryable) == (400 if code == 400 else status, retryable)
    names = [name for name in (code, type) if isinstance(name, str) and not name.isdecimal()]
    assert error.kind == (names[0] if names else None)


@pytest.mark.parametrize(
    ("code", "type", "expected"),
    [
        pytest.param(400, "BadRequestError", ValidationError, id="vllm-400"),
        pytest.param(404, "NotFoundError", ValidationError, id="vllm-404"),
        pytest.param(429, None, RateLimitError, id="openrouter-429"),
        pytest.param(402, None, QuotaExceededError, id="openrouter-402"),
        pytest.param(502, None, ServerError, id="openrouter-502"),
        pytest.param("429", None, RateLimitError, id="azure-429"),
        pytest.param(503, "unavailable_error", ServerError, id="llama-cpp-503"),
        pytest.param(200, None, ServerError, id="success-is-no-error"),
        pytest.param(10**30, None, ServerError, id="huge"),
        pytest.param(True, None, ServerError, id="true"),
        pytest.param("٤٠٤", None, ServerError, id="other-digits"),
    ],
)
def test_a_number_as_a_code_is_the_status_in_a_stream(code: Any, type: str | None, expected: type[Error]):
    """Compatible servers send the status there; it is not the name of the error."""
    error = DIALECT.error_from_event(Event("message", body(code, type)))
    assert error.__class__ is expected
    assert error.kind == type


@pytest.mark.parametrize(
    ("status", "code", "type"),
    [
        pytest.param(429, "insufficient_quota", "insufficient_quota", id="B32-quota"),
        pytest.param(429, None, "insufficient_quota", id="B32-type-alone"),
        pytest.param(429, "credit_balance_exhausted", "insufficient_quota", id="B32-credits"),
        pytest.param(429, "organization_spend_limit_exceeded", "insufficient_quota", id="B32-organization"),
        pytest.param(429, "project_spend_limit_exceeded", "insufficient_quota", id="B32-project"),
        pytest.param(429, "organization_usage_limit_exceeded", "insufficient_quota", id="B32-usage"),
        pytest.param(429, "billing_not_active", "billing_not_active", id="B32-inactive"),
        pytest.param(400, "billing_hard_limit_reached", INVALID, id="B32-hard-limit"),
        pytest.param(402, "invalid_request_error", "unknown_error", id="B32-deepseek-402"),
    ],
)
def test_what_is_spent_is_a_quota_and_not_worth_another_try(status: int, code: str | None, type: str):
    """Waiting cannot cure it, in an answer, in the stream or under a 200."""
    raw = body(code, type)
    error = DIALECT.error_from_response(answer(status, retry_after="3"), raw)
    assert error.__class__ is QuotaExceededError
    assert (error.retryable, error.kind, error.status_code, error.retry_after) == (False, code or type, status, 3.0)
    if status != 402:
        for under_200 in (DIALECT.error_from_event(Event("message", raw)), DIALECT.error_from_body(answer(200), raw)):
            assert under_200.__class__ is QuotaExceededError


@pytest.mark.parametrize("code", get_args(ResponseError.model_fields["code"].annotation))
def test_every_code_that_the_vendors_sdk_knows_has_a_class(code: str):
    """None falls back to a server error that would be tried again in vain."""
    failed = {"type": "response.failed", "response": {"error": {"code": code, "message": "why"}}}
    error = DIALECT.error_from_event(Event.make("response.failed", failed))
    expected = {"server_error": ServerError, "vector_store_timeout": ServerError, "rate_limit_exceeded": RateLimitError}
    assert error.__class__ is expected.get(code, ValidationError)
    assert error.kind == code


@pytest.mark.parametrize(
    ("status", "raw", "expected", "message"),
    [
        pytest.param(502, b"<title>502 Bad Gateway</title>", ServerError, "HTTP 502: 502 Bad Gateway", id="B25-page"),
        pytest.param(503, b"", ServerError, "HTTP 503", id="B25-empty"),
        pytest.param(500, b"[" * 100_000, ServerError, "HTTP 500: " + "[" * 200, id="B25-deep"),
        pytest.param(404, b'"lost"', ValidationError, 'HTTP 404: "lost"', id="B25-json-text"),
        pytest.param(404, b'{"error":"no such model"}', ValidationError, "HTTP 404: no such model", id="ollama"),
        pytest.param(
            401, b'{"detail":"Not authenticated"}', AuthenticationError, "HTTP 401: Not authenticated", id="x"
        ),
        pytest.param(422, b'{"detail":[{"msg":"x"}]}', ValidationError, "HTTP 422: x", id="list"),
        pytest.param(
            404,
            b'{"object":"error","message":"no model","type":"NotFoundError","param":null,"code":404}',
            ValidationError,
            "HTTP 404 NotFoundError: no model",
            id="flat",
        ),
    ],
)
def test_a_body_that_is_not_the_apis_is_still_the_error_of_its_status(
    status: int, raw: bytes, expected: type[Error], message: str
):
    """A gateway's page and the forms of compatible servers say what they can."""
    error = DIALECT.error_from_response(answer(status), raw)
    assert error.__class__ is expected
    assert error.message == message


def test_an_answer_carries_what_its_head_says():
    """The server's id of the response and its hints about trying again."""
    response = answer(503, x_request_id="req_1", retry_after="60", retry_after_ms="1500", x_should_retry="true")
    error = DIALECT.error_from_response(response, body("server_error"))
    assert (error.response_id, error.retry_after, error.should_retry) == ("req_1", 1.5, True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "the server reported an error", id="empty"),
        pytest.param(b"upstream died\n", "the server reported an error: upstream died", id="text"),
        pytest.param({"error": "down"}, "the server reported an error: down", id="error-text"),
        pytest.param({"error": {"message": "down", "code": 7}}, "the server reported an error: down", id="odd-code"),
        pytest.param({"error": {"message": ["x"], "code": "new"}}, "new", id="message-is-list"),
        pytest.param({"error": {"message": "a\nb", "code": "x\x1b[31m"}}, "x [31m: a b", id="one-literal-line"),
        pytest.param({"type": "error", "message": "why"}, "the server reported an error: why", id="flat-without-code"),
        pytest.param({"error": "odd_grant", "message": "why"}, "odd_grant: why", id="error-is-its-name"),
        pytest.param({"error": "odd_grant", "message": 7}, "odd_grant: odd_grant", id="error-is-its-words"),
        pytest.param({"error": "odd_grant", "message": ""}, "odd_grant: odd_grant", id="error-without-words"),
        pytest.param(
            {"error": {"code": "new"}, "choices": [{"delta": {"content": "private"}}]}, "new", id="no-content-in-it"
        ),
        pytest.param(
            {"type": "response.failed", "response": {"error": None, "instructions": "private"}},
            "the server reported an error",
            id="failed-without-an-error",
        ),
    ],
)
def test_an_error_that_cannot_be_read_is_still_a_server_error(data: Any, message: str):
    """That there was an error is certain; what the model or the user said does not get into it."""
    error = DIALECT.error_from_event(Event.make("error", data))
    assert error.__class__ is ServerError
    assert (error.message, error.retryable) == (message, True)


@pytest.mark.parametrize("secret", ["sk-proj-abcDEF123456", "eyJhbGciOi.eyJzdWIi.sig-nature"], ids=["key", "token"])
@pytest.mark.parametrize("form", ["error", "response"])
def test_a_credential_that_the_server_repeats_is_left_out(secret: str, form: str):
    """What is wrong with a key is said without the key."""
    inner = {"error": {"code": "invalid_api_key", "message": f"Incorrect API key provided: {secret}."}}
    raw = json.dumps(inner if form == "error" else {"response": inner}).encode()
    for error in (DIALECT.error_from_response(answer(401), raw), DIALECT.error_from_event(Event("error", raw))):
        assert secret not in f"{error!r} {error} {error.__dict__}"
        assert "Incorrect API key provided: ***" in error.message


NAMES_BY_CLASS = {
    ValidationError: """
        invalid_request_error context_length_exceeded string_above_max_length content_filter content_policy_violation
        invalid_prompt bio_policy cyber_policy data_residency_mismatch misalignment_policy_violation invalid_image
        invalid_image_format invalid_base64_image invalid_image_url invalid_image_mode image_too_large image_too_small
        image_parse_error image_content_policy_violation image_file_too_large image_file_not_found
        unsupported_image_media_type empty_image_file failed_to_download_image unsupported_parameter unsupported_value
        missing_required_parameter invalid_value invalid_type exceed_context_size_error not_found_error model_not_found
        DeploymentNotFound conflict_error request_too_large unprocessable_entity_error
    """,
    AuthenticationError: """
        invalid_api_key authentication_error invalid_authentication account_deactivated token_expired permission_error
        permission_denied insufficient_permissions unsupported_country_region_territory
    """,
    QuotaExceededError: "insufficient_credits insufficient_quota",
    RateLimitError: """
        rate_limit_exceeded rate_limit_error slow_down requests tokens too_many_requests RateLimitReached
    """,
    ServerError: """
        server_error api_error internal_error internal_server_error InternalServerError service_unavailable
        service_unavailable_error unavailable_error timeout timeout_error vector_store_timeout
    """,
    OverloadedError: """
        overloaded overloaded_error server_overloaded server_is_overloaded engine_overloaded engine_overloaded_error
        model_overloaded
    """,
}


@pytest.mark.parametrize(
    ("name", "expected"), [(name, kind) for kind, names in NAMES_BY_CLASS.items() for name in names.split()]
)
def test_each_known_name_decides_the_class(name: str, expected: type[Error]):
    """As a code and as a type, in a chunk, where there is no status."""
    for raw in (body(name), body(None, name)):
        error = DIALECT.error_from_event(Event("message", raw))
        assert (type(error), error.kind) == (expected, name)
        assert error.retryable is (name == "conflict_error" or expected.default_retryable)


@pytest.mark.parametrize("status", ["cancelled", "canceled"])
def test_a_response_that_was_cancelled_is_not_repeated(status: str):
    """Under any name and either spelling: somebody wanted that."""
    for name in ("response.completed", "message"):
        error = DIALECT.error_from_event(Event.make(name, {"response": {"status": status}}))
        assert (error.kind, error.message, error.retryable) == (
            "cancelled",
            "cancelled: the response was cancelled",
            False,
        )


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ({"status": "failed"}, "the server reported an error"),
        ({"status": "failed", "error": {"code": "new", "message": "why"}}, "new: why"),
        ({"status": "failed", "status_details": {"error": {"code": "new", "message": "why"}}}, "new: why"),
        ({"error": {"code": "new"}, "status_details": {"error": {"code": "old"}}}, "new"),
    ],
    ids=["no-words", "error", "details", "error-before-details"],
)
def test_a_response_that_failed_says_why(response: Any, message: str):
    """In its error, or in the details of its status."""
    error = DIALECT.error_from_event(Event.make("response.done", {"type": "response.done", "response": response}))
    assert (type(error), error.message) == (ServerError, message)


def test_an_error_under_200_is_the_error_of_its_code():
    """Some gateways answer 200 to everything."""
    error = DIALECT.error_from_body(answer(200, x_request_id="req_1"), body("rate_limit_exceeded"))
    assert error.__class__ is RateLimitError
    assert (error.message, error.status_code, error.response_id) == ("rate_limit_exceeded: why", None, "req_1")
    assert DIALECT.error_from_body(answer(200), b'{"error":"down"}').__class__ is ServerError


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"object":"chat.completion","choices":[]}', id="a-completion"),
        pytest.param(b'{"object":"response","error":null}', id="a-response"),
        pytest.param(b'{"error":{}}', id="empty"),
        pytest.param(b"[1]", id="array"),
        pytest.param(b"{", id="no-json"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_a_body_under_200_without_an_error_reports_none(raw: bytes):
    """What it is instead the engine says: no event stream."""
    assert DIALECT.error_from_body(answer(200), raw) is None


NAMES = st.sampled_from(["type", "error", "message", "detail", "code", "response", "param"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["error", "response.failed"]),
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
        assert 0 < len(error.message) <= 350
        assert not error.is_local
