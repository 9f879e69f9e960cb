"""Plain SSE as a dialect, and the parts that other dialects are made of."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken.dialect import CONTENT, ERROR, HIDDEN, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE, Dialect, Kind
from unbroken.error_bodies import MAX_MESSAGE, as_object, error_for, error_message, headed, load_json_object, one_line
from unbroken.errors import (
    AuthenticationError,
    Error,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamError,
    ValidationError,
)
from unbroken.headers import Headers
from unbroken.messages import Event, Response
from unbroken.retry_after import sent_at

DEEP = b"[" * 100_000
DEEP_OBJECT = b'{"error":' * 100_000


def answer(status: int = 500, **headers: str) -> Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status_code=status, headers=Headers(fields), received_at=1_000.0)


def test_every_event_of_plain_sse_is_content_and_its_text():
    """Nothing is known of the events, so each is delivered as it is."""
    event = Event.make("whatever", "words")
    assert Dialect().classify(event) is CONTENT
    assert Dialect().text(event) == "words"
    assert Dialect().usage(event) is None
    assert not Dialect.has_terminal_event


def test_plain_sse_knows_no_limits():
    """What it cannot read it does not guess."""
    assert Dialect().rate_limits(Headers({"x-ratelimit-limit": "1"}), 0.0) == ()


KINDS = {
    "KEEPALIVE": KEEPALIVE,
    "PREAMBLE": PREAMBLE,
    "CONTENT": CONTENT,
    "TERMINAL": TERMINAL,
    "ERROR": ERROR,
    "STRUCTURE": STRUCTURE,
    "HIDDEN": HIDDEN,
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_are_bits_that_can_be_combined(name: str):
    """Each has a bit of its own, usage goes with any, and it prints as it is written."""
    kind = KINDS[name]
    both = kind | USAGE
    assert getattr(Kind, name) is kind
    assert isinstance(both, Kind)
    assert [other for other in KINDS.values() if both & other] == [kind]
    assert both & USAGE
    assert Kind.USAGE is USAGE
    assert (repr(kind), repr(both), repr(Kind(0))) == (
        name,
        "USAGE | HIDDEN" if name == "HIDDEN" else f"{name} | USAGE",
        "Kind(0)",
    )


@pytest.mark.parametrize(
    ("status", "expected", "retryable"),
    [
        pytest.param(304, StreamError, False, id="B20-304"),
        pytest.param(400, ValidationError, False, id="B21-400"),
        pytest.param(401, AuthenticationError, False, id="B21-401"),
        pytest.param(402, QuotaExceededError, False, id="B21-402"),
        pytest.param(403, AuthenticationError, False, id="B21-403"),
        pytest.param(404, ValidationError, False, id="B21-404"),
        pytest.param(413, ValidationError, False, id="B21-413"),
        pytest.param(422, ValidationError, False, id="B21-422"),
        pytest.param(408, ValidationError, True, id="B22-408"),
        pytest.param(409, ValidationError, True, id="B22-409"),
        pytest.param(425, ValidationError, True, id="B22-425"),
        pytest.param(429, RateLimitError, True, id="B22-429"),
        pytest.param(500, ServerError, True, id="B22-500"),
        pytest.param(502, ServerError, True, id="B22-502"),
        pytest.param(503, ServerError, True, id="B22-503"),
        pytest.param(504, ServerError, True, id="B22-504"),
        pytest.param(529, OverloadedError, True, id="B22-529"),
        pytest.param(999, ServerError, True, id="B22-999"),
    ],
)
def test_a_status_decides_the_class_and_whether_another_try_can_help(
    status: int, expected: type[Error], retryable: bool
):
    """Each status has exactly one class."""
    error = error_for(status, "no")
    assert type(error) is expected
    assert error.retryable is retryable


def test_an_error_carries_what_the_head_says():
    """Status, response id and both hints come from the head of the response."""
    response = answer(503, x_request_id="abc", retry_after="7", x_should_retry="false")
    error = Dialect().error_from_response(response, b"try later")
    assert str(error) == "HTTP 503: try later"
    assert (error.status_code, error.response_id, error.retry_after) == (503, "abc", 7.0)
    assert error.should_retry is False


def test_an_error_without_a_body_says_its_status():
    """An empty body leaves the status to speak."""
    error = Dialect().error_from_response(answer(502), b"")
    assert str(error) == "HTTP 502"
    assert (error.response_id, error.retry_after, error.should_retry) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b'{"error":{"message":"too many"}}', "too many", id="error-message"),
        pytest.param(b'{"error":"too many"}', "too many", id="error-text"),
        pytest.param(b'{"message":"too many"}', "too many", id="message"),
        pytest.param(b'{"detail":"too many"}', "too many", id="detail"),
        pytest.param(b'{"error":{"message":""},"message":"too many"}', "too many", id="empty-message"),
        pytest.param(b'{"error":{"message":7}}', '{"error":{"message":7}}', id="B25-message-no-text"),
        pytest.param(b'{"status":"bad"}', '{"status":"bad"}', id="B25-json-without-message"),
        pytest.param(b'["too many"]', '["too many"]', id="B25-json-array"),
        pytest.param(b"", "", id="B25-empty"),
        pytest.param(b"\r\n \n", "", id="B25-blank"),
        pytest.param(b"\n\nupstream died\nat line 3", "upstream died", id="B25-text"),
        pytest.param(b"<html>\r\n<head><TITLE>502 Bad Gateway</TITLE></head>", "502 Bad Gateway", id="B25-html-title"),
        pytest.param(b"<!DOCTYPE html>\n<p>no", "<!DOCTYPE html>", id="B25-html-without-title"),
        pytest.param(b"caf\xe9 \xff\xfe", "caf� ��", id="B25-not-utf-8"),
        pytest.param(b'{"error":{"message":"\\ud83d\\ude00 \\u202e\\u0000x"}}', "\U0001f600 x", id="B25-escapes"),
        pytest.param(
            b'{"message":"one\\r\\ntwo \\u001b[31mred\\u2028{0.__class__} <red>"}',
            "one two [31mred {0.__class__} <red>",
            id="E69-one-literal-line",
        ),
        pytest.param(b'{"error":{"message":"cut', '{"error":{"message":"cut', id="B25-cut-json"),
        pytest.param(b'{"message":"' + b"x" * 50_000 + b'"}', "x" * MAX_MESSAGE, id="B24-long-message"),
        pytest.param(b"y" * 65_536, "y" * MAX_MESSAGE, id="B24-long-line"),
        pytest.param(DEEP, "[" * MAX_MESSAGE, id="B25-deep-array"),
        pytest.param(DEEP_OBJECT, ('{"error":' * 100)[:MAX_MESSAGE], id="B25-deep-object"),
        pytest.param(b"<title" * 10_000, ("<title" * 100)[:MAX_MESSAGE], id="B25-hostile-title"),
        pytest.param(b'{"message":"bad key sk-ant-api03-abc_DEF"}', "bad key ***", id="E68-key"),
        pytest.param(b"got Authorization: Bearer a.b/c=", "got Authorization: Bearer ***", id="E68-bearer"),
        pytest.param(b"bad eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.sig here", "bad *** here", id="E68-jwt"),
    ],
)
def test_a_body_is_reduced_to_one_printable_line(body: bytes, message: str):
    """Whatever a server answers, the error says it in a line that is safe to log."""
    assert error_message(body) == message
    error = Dialect().error_from_response(answer(500), body)
    assert type(error) is ServerError
    assert error.message == (f"HTTP 500: {message}" if message else "HTTP 500")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(b'{"error":{"message":"no"}}', "the server reported an error: no", id="said"),
        pytest.param(b"", "the server reported an error", id="nothing-said"),
    ],
)
def test_an_error_event_is_a_server_error_without_a_status(raw: bytes, message: str):
    """The status of the response was 200, which says nothing about the failure."""
    error = Dialect().error_from_event(Event("error", raw))
    assert type(error) is ServerError
    assert (error.message, error.status_code) == (message, None)


@given(body=st.binary(max_size=300), status=st.integers(min_value=400, max_value=599))
def test_no_body_breaks_the_error(body: bytes, status: int):
    """There is always a typed error, of one bounded line."""
    error = Dialect().error_from_response(answer(status), body)
    assert len(error.message) <= MAX_MESSAGE + len("HTTP 500: ")
    assert error.message.isprintable()
    assert pickle.loads(pickle.dumps(error)).message == error.message


@pytest.mark.parametrize(
    ("words", "status", "kind", "message"),
    [
        ("slow down", 429, "rate_limit", "HTTP 429 rate_limit: slow down"),
        ("slow down", 429, None, "HTTP 429: slow down"),
        ("slow down", None, "rate_limit", "rate_limit: slow down"),
        ("slow down", None, "", "the server reported an error: slow down"),
        ("", 502, None, "HTTP 502"),
        ("", None, None, "the server reported an error"),
    ],
)
def test_a_message_begins_with_what_is_known(words: str, status: int | None, kind: str | None, message: str):
    assert headed(words, status, kind) == message


@given(text=st.text(alphabet=st.characters(codec=None), max_size=200), limit=st.integers(1, 50))
def test_one_line_is_printable_and_bounded(text: str, limit: int):
    """Surrogates, controls and directional marks included."""
    line = one_line(text, limit)
    assert line.isprintable()
    assert len(line) <= limit


def test_a_hostile_response_id_is_one_short_line():
    """Bytes over 0x7f of a header are Latin-1, where some are control characters."""
    error = Dialect().error_from_response(answer(x_request_id="a\x85b" + "c" * 1_000), b"")
    assert error.response_id is not None
    assert error.response_id.startswith("a bc")
    assert len(error.response_id) == MAX_MESSAGE


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b'{"a":1}', {"a": 1}, id="object"),
        pytest.param(b"[1]", None, id="array"),
        pytest.param(b"nope", None, id="no-json"),
        pytest.param(DEEP, None, id="B25-deep"),
        pytest.param(b"9" * 5_000, None, id="B25-huge-number"),
    ],
)
def test_only_json_objects_are_loaded(value: bytes, expected: object):
    """Everything else is None."""
    assert load_json_object(value) == expected


def test_what_is_no_object_is_an_empty_one():
    """Look-ups into JSON of the wrong shape find nothing."""
    assert as_object({"a": 1}) == {"a": 1}
    assert as_object([1]) == as_object(None) == {}


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777.0, id="B31-date"),
        pytest.param("yesterday", 5.0, id="B31-bad-date"),
        pytest.param(None, 5.0, id="B31-no-date"),
    ],
)
def test_a_response_was_sent_when_its_date_says(date: str | None, expected: float):
    """The server's clock may be wrong, so its times are read against its own date."""
    assert sent_at(Headers() if date is None else Headers({"Date": date}), 5.0) == expected


def test_a_dialect_without_state_reads_for_itself():
    """It is complete at the end of the body when it has no terminal event, and knows of no silence that is normal."""

    class Ending(Dialect):
        has_terminal_event = True

    for dialect, complete in ((Dialect(), True), (Ending(), False)):
        reader = dialect.reader(None)  # type: ignore[arg-type]
        assert reader is dialect
        assert (reader.complete_at_end(), reader.quiet) == (complete, False)


def test_the_message_of_a_page_is_looked_for_in_its_first_4096_bytes():
    """A page may be large, and the rest of it is not decoded."""
    assert error_message(b"\n" * 4095 + b"x") == "x"
    assert error_message(b"\n" * 4096 + b"x") == ""


@pytest.mark.parametrize(("depth", "found"), [(1, True), (2, True), (5, True), (6, False)])
def test_the_innermost_of_five_errors_has_the_words(depth: int, found: bool):
    """Each gateway on the way may have put its own around it."""
    body = b'{"error":' * depth + b'{"message":"why"}' + b"}" * depth
    assert (error_message(body) == "why") is found


@pytest.mark.parametrize(
    "body", [b"data: died", b"id: 1\ndata: died\n\ndata: later\n\n", b'data: died\n\nevent: x\ndata: "b"\n\n']
)
def test_the_words_of_an_event_stream_are_those_of_its_first_event_if_none_tells_more(body: bytes):
    """Without the framing."""
    assert error_message(body) == "died"
