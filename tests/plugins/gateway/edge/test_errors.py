"""The table of errors, and which row an error of a call has."""

import attrs
import pytest

import unbroken
from unbroken.errors import Error
from unbroken_gateway.replies import errors
from unbroken_gateway.replies.answers import in_band, render, status_of
from unbroken_gateway.replies.failures import problem_of
from unbroken_gateway.values import Denied

from .kit import table, value

# status, error.type of Anthropic, error.code of OpenAI, x-should-retry
TABLE = {
    "no_credential": (401, "authentication_error", "invalid_api_key", False),
    "too_many_bad_credentials": (429, "rate_limit_error", "rate_limit_exceeded", False),
    "unknown_model": (404, "not_found_error", "model_not_found", False),
    "unknown_stream": (404, "not_found_error", "model_not_found", False),
    "unknown_route": (404, "not_found_error", "model_not_found", False),
    "cancelled": (410, "invalid_request_error", "invalid_request", False),
    "trimmed_stream": (410, "invalid_request_error", "invalid_request", False),
    "forbidden_scope": (403, "permission_error", "forbidden", False),
    "invalid_request": (400, "invalid_request_error", "invalid_request", False),
    "body_too_large": (413, "request_too_large", "request_too_large", False),
    "body_timed_out": (408, "invalid_request_error", "invalid_request", None),
    "head_too_large": (431, "invalid_request_error", "invalid_request", False),
    "wrong_method": (405, "invalid_request_error", "invalid_request", None),
    "length_required": (411, "invalid_request_error", "invalid_request", None),
    "wrong_type": (415, "invalid_request_error", "invalid_request", None),
    "user_limit": (429, "rate_limit_error", "rate_limit_exceeded", None),
    "budget_spent": (402, "billing_error", "insufficient_quota", False),
    "upstream_rate_limit": (429, "rate_limit_error", "upstream_rate_limit", False),
    "upstream_unavailable": (502, "api_error", "upstream_unavailable", False),
    "upstream_error": (502, "api_error", "upstream_error", False),
    "upstream_400": (400, "invalid_request_error", "invalid_request", False),
    "upstream_404": (404, "not_found_error", "model_not_found", False),
    "upstream_409": (409, "conflict_error", "conflict_error", False),
    "upstream_413": (413, "request_too_large", "request_too_large", False),
    "overloaded": (529, "overloaded_error", "overloaded", False),
    "unavailable": (503, "overloaded_error", "unavailable", True),
    "timed_out": (504, "timeout_error", "timeout", False),
    "internal": (500, "api_error", "internal_error", False),
}
ROWS = table()


def told(error: Error, *, now: float = 100.0, show: bool = False) -> errors.Problem:
    return problem_of(error, now=now, max_retry_after=60.0, show=show)


def every_class(base: type[Error] = Error) -> list[type[Error]]:
    """Return the classes of the package. Other tests may have made their own by now, with other arguments."""
    below = [sub for sub in base.__subclasses__() if sub.__module__.startswith("unbroken")]
    return [base, *(each for sub in below for each in every_class(sub))]


def test_each_row_is_that_of_the_table():
    found = {name: (row.status, row.anthropic, row.openai, row.should_retry) for name, row in ROWS.items()}
    assert found == TABLE
    assert {name: row.name for name, row in ROWS.items()} == {name: name for name in ROWS}


def test_only_what_the_operator_can_mend_is_an_alert():
    assert {name for name, row in ROWS.items() if row.alert} == {"upstream_unavailable", "internal"}


@pytest.mark.parametrize("limit", ["requests", "tokens", "streams"])
def test_a_limit_of_the_user_is_named_with_its_exact_wait(limit):
    problem = errors.denied(Denied(limit, 7200.5))
    assert (problem.name, problem.retry_after) == ("user_limit", 7200.5)
    assert {"requests": "requests", "tokens": "tokens", "streams": "parallel"}[limit] in problem.message


def test_a_spent_budget_is_not_waited_for():
    assert errors.denied(Denied("budget", 7200.5)) == errors.budget_spent()
    assert errors.budget_spent().retry_after is None


def test_a_refusal_names_its_cause_alone():
    assert str(errors.Refused(errors.no_credential())) == "no_credential"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (unbroken.AuthenticationError(status_code=401), "upstream_unavailable"),
        (unbroken.AuthenticationError(status_code=403), "upstream_unavailable"),
        (unbroken.QuotaExceededError(status_code=429), "upstream_unavailable"),
        (unbroken.RateLimitError(status_code=429), "upstream_rate_limit"),
        (unbroken.RateLimitError(is_local=True), "upstream_rate_limit"),
        (unbroken.OverloadedError(status_code=529), "overloaded"),
        (unbroken.ServerError(status_code=503), "upstream_error"),
        (unbroken.NetworkError(), "upstream_error"),
        (unbroken.NetworkError(is_local=True), "upstream_error"),
        (unbroken.NetworkError(is_local=True, retryable=False), "unavailable"),
        (unbroken.TruncatedStreamError(), "upstream_error"),
        (unbroken.StreamError(), "upstream_error"),
        (unbroken.ContentTypeError(), "upstream_error"),
        (unbroken.EventTooLargeError(), "upstream_error"),
        (unbroken.TimeoutError(), "timed_out"),
        (unbroken.CircuitOpenError(), "unavailable"),
        (unbroken.PluginError(), "internal"),
        (unbroken.ConfigurationError(), "internal"),
        (unbroken.ValidationError(is_local=True), "internal"),
        (unbroken.Error(), "internal"),
        (unbroken.ValidationError(status_code=400), "upstream_400"),
        (unbroken.ValidationError(status_code=422), "upstream_400"),
        (unbroken.ValidationError(kind="invalid_request_error"), "upstream_400"),
        (unbroken.ValidationError(status_code=404), "upstream_404"),
        (unbroken.ValidationError(kind="not_found_error"), "upstream_404"),
        (unbroken.ValidationError(status_code=409), "upstream_409"),
        (unbroken.ValidationError(status_code=413), "upstream_413"),
        (unbroken.ValidationError(status_code=405), "upstream_error"),
        (unbroken.ValidationError(status_code=408), "upstream_error"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{type(value).__name__}-{value.status_code or value.kind}",
)
def test_an_error_of_a_call_has_its_row(error, name):
    assert told(error).name == name


@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_r21_no_text_of_an_error_is_told(kind):
    problem = told(kind("canary: secret", status_code=500, response_id="canary", kind="canary"), show=True)
    for dialect in ("anthropic", "openai"):
        assert b"canary" not in render(problem, dialect, "req_1")[2]
    assert problem in [errors.internal(), *ROWS.values()]


SHOWN = "HTTP 400 invalid_request_error: max_tokens: is too large"


def test_r21_the_words_of_a_refusal_are_told_where_the_operator_lets_them():
    error = unbroken.ValidationError(SHOWN, status_code=400)
    assert told(error, show=True).message == "max_tokens: is too large"
    assert told(error).message == errors.upstream_400().message


@pytest.mark.parametrize("text", ["", "HTTP 400 invalid_request_error", "HTTP 400:  \r\n "])
def test_r21_a_refusal_without_words_has_the_fixed_text(text):
    assert told(unbroken.ValidationError(text, status_code=422), show=True) == errors.upstream_400()


def test_s32_the_words_of_a_refusal_are_one_short_line_without_credentials():
    words = "bad\r\nkey sk-ant-api03-abcdefghijklmnop0123456789 at https://x/?token=abc " + "x" * 5000
    message = told(unbroken.ValidationError(f"HTTP 400: {words}", status_code=400), show=True).message
    assert len(message) <= 200
    assert message.isprintable()
    assert "abcdefghij" not in message
    assert "token=abc" not in message


@pytest.mark.parametrize("status", [404, 409, 413])
def test_r21_other_refusals_have_fixed_texts_even_where_words_are_shown(status):
    error = unbroken.ValidationError("HTTP 404: canary", status_code=status)
    assert told(error, show=True) == told(error)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (unbroken.RateLimitError(retry_after=5.0), 5.0),
        (unbroken.RateLimitError(retry_after=1e6), 60.0),
        (unbroken.RateLimitError(), None),
        (unbroken.OverloadedError(retry_after=0.25), 0.25),
        (unbroken.ServerError(retry_after=3.0), 3.0),
        (unbroken.CircuitOpenError(recovers_at=104.5, retry_after=30.0), 4.5),
        (unbroken.CircuitOpenError(recovers_at=1.0), 0.0),
        (unbroken.CircuitOpenError(recovers_at=1e9), 60.0),
        (unbroken.CircuitOpenError(retry_after=2.0), 2.0),
        (unbroken.CircuitOpenError(), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Error) else str(value),
)
def test_r28_the_wait_is_forwarded_up_to_the_longest(error, seconds):
    assert told(error).retry_after == seconds


@pytest.mark.parametrize(
    ("seconds", "whole", "milliseconds"),
    [
        (0, "0", "0"),
        (0.0001, "1", "1"),
        (1, "1", "1000"),
        (1.0001, "2", "1001"),
        (1.1, "2", "1100"),
        (59.9999, "60", "60000"),
    ],
)
def test_r28_both_headers_are_rounded_up(seconds, whole, milliseconds):
    _, headers, _ = render(errors.user_limit(seconds), "anthropic", "req_1")
    assert (value(headers, "retry-after"), value(headers, "retry-after-ms")) == (whole, milliseconds)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("dialect", ["anthropic", "openai"])
def test_each_answer_has_its_headers(dialect, name):
    problem = ROWS[name]
    status, headers, body = render(problem, dialect, "req_1")
    assert status == status_of(problem, dialect)
    assert value(headers, "content-type") == "application/json"
    assert value(headers, "content-length") == str(len(body))
    assert value(headers, "cache-control") == "no-store"
    assert value(headers, "x-request-id") == "req_1"
    assert value(headers, "request-id") == ("req_1" if dialect == "anthropic" else None)
    assert value(headers, "x-should-retry") == {True: "true", False: "false", None: None}[problem.should_retry]
    assert value(headers, "vary") is None


def test_an_answer_of_a_route_of_both_dialects_varies_by_the_header_that_decides():
    _, headers, _ = render(errors.no_credential(), "openai", "req_1", shared=True)
    assert value(headers, "vary") == "anthropic-version"


def test_further_headers_of_a_row_are_sent():
    assert value(render(errors.no_credential(), "openai", "r")[1], "www-authenticate") == "Bearer"
    assert value(render(ROWS["wrong_method"], "openai", "r")[1], "allow") == "GET, DELETE"


def test_openai_has_no_529():
    assert status_of(errors.overloaded(), "anthropic") == 529
    assert render(errors.overloaded(), "openai", "req_1")[0] == 503


@pytest.mark.parametrize("form", ["messages", "chat", "responses"])
def test_an_error_in_the_stream_says_the_same_as_the_answer(form):
    problem = attrs.evolve(errors.upstream_error(), message='"\n\r\u2028 data: x\n\n')
    frame = in_band(problem, form, "req_1", sequence=7)
    (event,) = unbroken.sse.SSEDecoder().feed(frame)
    body = unbroken.Event(raw=render(problem, "anthropic" if form == "messages" else "openai", "req_1")[2]).json()
    assert event.type == ("message" if form == "chat" else "error")
    assert body.items() <= event.json().items()
    assert event.json().get("sequence_number") == (7 if form == "responses" else None)
