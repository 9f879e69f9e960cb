"""Errors of JSON-RPC and of HTTP, as classes and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Event, Headers, Response
from unbroken.errors import (
    AuthenticationError,
    CircuitOpenError,
    Error,
    NetworkError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    ValidationError,
)
from unbroken_mcp import MCP

from .talk import CALL, LIST, View, failed, get, notification, post, result


def told(message: object) -> Error:
    return MCP().error_from_event(Event.make("message", message))


def answered(status: int, body: object = b"", **headers: str) -> Error:
    fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return MCP().error_from_response(Response(status_code=status, headers=fields), raw)


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (-32700, ValidationError, False),
        (-32600, ValidationError, False),
        (-32601, ValidationError, False),
        (-32602, ValidationError, False),
        (-32603, ServerError, True),
        (-32000, ServerError, True),
        (-32001, ServerError, True),
        (-32002, ValidationError, False),
        (-32020, ValidationError, False),
        (-32021, ValidationError, False),
        (-32022, ValidationError, False),
        (-32042, ValidationError, False),
        (-32099, ServerError, True),
        (-32800, ServerError, False),
        (429, RateLimitError, True),
        (401, AuthenticationError, False),
        (1, ServerError, True),
    ],
)
def test_a_code_has_the_class_of_its_http_twin(code, kind, retryable):
    error = told(failed(code, "the\nwords"))
    assert (type(error), error.retryable, error.kind, error.status_code) == (kind, retryable, str(code), None)
    assert error.message == f"error {code}: the words"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"id": 1, "error": "no object"}, "the server reported an error: no object"),
        (failed("text", 7), "the server reported an error"),
        (failed(True, None), "the server reported an error"),
        (failed(10**40), "the server reported an error: broken"),
        ([result(2), failed(-32000, "in a batch")], "error -32000: in a batch"),
        ({"id": 1}, "the server reported an error"),
    ],
)
def test_an_error_of_any_shape_is_one_of_the_server(message, words):
    error = told(message)
    assert (type(error), error.message) == (ServerError, words)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, failed(-32602, "bad"), ValidationError, "HTTP 400 error -32602: bad"),
        (503, failed(-32000, "later"), ServerError, "HTTP 503 error -32000: later"),
        (404, failed(-32601, "unknown"), ValidationError, "HTTP 404 error -32601: unknown"),
        (502, b"<title>Bad gateway</title>", ServerError, "HTTP 502: Bad gateway"),
        (405, b"", ValidationError, "HTTP 405"),
        (429, {"error": "slow down"}, RateLimitError, "HTTP 429: slow down"),
    ],
)
def test_the_status_decides_the_class_of_an_http_error(status, body, kind, message):
    error = answered(status, body)
    assert (type(error), error.message, str(error), error.status_code) == (kind, message, message, status)


@pytest.mark.parametrize("body", [failed(-32001, "x"), failed(-32600, "Session not found"), b"no such session"])
def test_a_lost_session_is_named(body):
    error = answered(404, body)
    assert error.message.endswith("(the session is lost: initialize another)")
    assert not error.retryable


def test_a_challenge_is_shown():
    error = answered(401, b"", www_authenticate='Bearer resource_metadata="https://x.example/meta"')
    assert type(error) is AuthenticationError
    assert error.message == 'HTTP 401 (it asks for Bearer resource_metadata="https://x.example/meta")'


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TruncatedStreamError("cut"), -32000),
        (NetworkError("reset"), -32000),
        (TimeoutError("late", timeout="idle"), -32001),
        (ValidationError("wrong"), -32600),
        (AuthenticationError("who"), -32600),
        (ServerError("broken"), -32603),
        (StreamError("odd"), -32603),
        (CircuitOpenError("open"), -32603),
        (ServerError("told", kind="-32050"), -32050),
        (ServerError("named", kind="api_error"), -32603),
    ],
)
def test_a_failure_is_told_with_the_id_of_the_request(error, code):
    view = View(request=post({**CALL, "id": "seven"}))
    event = MCP().error_event_for(view, error)
    assert (event.type, event["id"], event["jsonrpc"]) == ("message", "seven", "2.0")
    assert (event["error"]["code"], event["error"]["message"]) == (code, error.message)
    assert event["error"]["data"] == {
        "type": f"unbroken_{type(error).__name__}",
        "retryable": error.retryable,
        "attempts": [],
    }


@pytest.mark.parametrize("asks", [get(), post(notification()), post([LIST, {**LIST, "id": 2}]), post(b"x")])
def test_without_a_request_nothing_can_be_told(asks):
    assert MCP().error_event_for(View(request=asks), NetworkError("x")) is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (failed(-32602), ValidationError),
        ([failed()], ServerError),
        (result(), None),
        ([failed(), result(2)], None),
        ({"error": "invalid_grant"}, None),
        ([], None),
    ],
)
def test_a_plain_answer_may_be_an_error(body, kind):
    """One of another API, such as that for tokens, is left to its client."""
    raw = json.dumps(body).encode()
    error = MCP().error_from_answer(post(CALL), Response(status_code=200), raw)
    assert (None if error is None else type(error)) is kind
    assert MCP().error_from_answer(post(CALL), Response(status_code=200), b"{") is None


@given(st.integers(400, 599), st.binary(max_size=60), st.text(max_size=20))
def test_no_body_raises_anything(status, body, challenge):
    assert isinstance(answered(status, body, www_authenticate=challenge), Error)
