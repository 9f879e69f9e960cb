"""FAULTS B in virtual time: answers that are no stream, or a strange one."""

import pytest

from unbroken import (
    AuthenticationError,
    ContentTypeError,
    Error,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    ValidationError,
)
from unbroken.messages import Timeouts
from unbroken.testing import STALL, Answer, sse
from unbroken_anthropic import Anthropic
from unbroken_retry import Retry
from unbroken_timeout import Timeout

DELTA = ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}})
STOP = ("message_stop", {"type": "message_stop"})
STREAM = {"content-type": "text/event-stream"}
GOOD = Answer(body=sse(DELTA, STOP))


def api_error(kind: str, **more: object) -> bytes:
    import msgspec

    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": "words", **more}})


def expect(played, kind, *, requests=1, phase="headers"):
    """One typed error, with everything on it; nothing left behind."""
    error = played.error
    assert type(error) is kind, error
    assert isinstance(error, Error)
    assert (error.request_id, error.phase) == (played.request_id, phase)
    assert len(error.history) == len(played.requests) == requests
    assert played.transport.open_exchanges == 0
    assert played.events == []
    return error


@pytest.fixture
def ask(play):
    """A call with the policies that everybody has, in the Anthropic dialect."""

    def ask(script, plugins=None, **arguments):
        plugins = [Timeout(), Retry(initial_delay=1.0, jitter=0)] if plugins is None else plugins
        return play(script, plugins, **{"dialect": Anthropic(), **arguments})

    return ask


def test_B16_a_page_is_refused_with_its_beginning(ask):
    """Sanitised, and not retried: a captive portal will not go away."""
    page = b"<html><title>Log in</title>\r\n\x1b[31m\xff" + b"x" * 100_000
    error = expect(ask([Answer(headers={"content-type": "text/html"}, body=page)]), ContentTypeError)
    assert error.content_type == "text/html"
    assert error.body.startswith("<html><title>Log in</title>   [31m\ufffdxxx")
    assert len(error.body) == 200
    assert not error.retryable
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"]
)
def test_B17_an_api_error_under_200_is_that_error(ask, content_type):
    """The class of its HTTP twin, retried like it."""
    reply = Answer(headers={"content-type": content_type}, body=api_error("overloaded_error"))
    played = ask([reply, GOOD])
    assert played.error is None
    assert [attempt.error for attempt in played.history] == ["OverloadedError"]
    expect(ask(lambda _: reply, [Retry(max_retries=1)]), OverloadedError, requests=2)


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"nonsense", b'{"error": 0}', b""])
def test_B17_json_that_reports_nothing_is_no_stream(ask, body):
    """ContentTypeError with what it is."""
    error = expect(ask([Answer(headers={"content-type": "application/json"}, body=body)]), ContentTypeError)
    assert error.body == body.decode()


def test_B18_without_a_content_type_a_page_is_no_stream(ask):
    """Guessing is how a login page becomes an empty answer; only a field of SSE or a comment makes a stream."""
    error = expect(ask([Answer(headers={}, body=b"<html>")]), ContentTypeError)
    assert error.content_type is None
    assert "no content type" in str(error)


def test_B18_the_charset_of_a_stream_is_utf_8_whatever_it_says(ask):
    """WHATWG HTML §9.2.6."""
    reply = Answer(headers={"content-type": "text/event-stream; charset=latin-1"}, body=sse(("new", "ü"), STOP))
    assert ask([reply]).data[0] == "ü"


@pytest.mark.parametrize("status", [pytest.param(status, id=f"B19-{status}") for status in (202, 204, 205, 206)])
def test_B19_a_success_without_a_stream_says_so(ask, status):
    """It is an error, and not an empty answer."""
    error = expect(ask([Answer(status=status)]), StreamError)
    assert f"HTTP {status}: there is no stream" in str(error)
    assert error.status_code is None


@pytest.mark.parametrize("location", ["/elsewhere", "https://evil.example.com/", "", None])
@pytest.mark.parametrize("status", [pytest.param(status, id=f"B20-{status}") for status in (301, 302, 303, 307, 308)])
def test_B20_a_redirect_is_an_error_and_no_second_request(ask, status, location):
    """The credentials and the prompt stay here."""
    headers = {} if location is None else {"location": location}
    error = expect(ask([Answer(status=status, headers=headers)]), StreamError)
    assert f"HTTP {status}: a redirect" in str(error)
    assert "evil" not in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param(400, ValidationError, id="B21-400"),
        pytest.param(401, AuthenticationError, id="B21-401"),
        pytest.param(403, AuthenticationError, id="B21-403"),
        pytest.param(404, ValidationError, id="B21-404"),
        pytest.param(413, ValidationError, id="B21-413"),
        pytest.param(422, ValidationError, id="B21-422"),
    ],
)
def test_B21_the_callers_own_mistakes_are_not_repeated(ask, status, kind):
    """Mapped, one request; plain SSE maps alike."""
    for dialect in (Anthropic(), None):
        error = expect(ask([Answer(status=status, body=b'{"error":{"message":"no"}}')], dialect=dialect), kind)
        assert (error.status_code, error.retryable) == (status, False)


@pytest.mark.parametrize(
    ("status", "kind", "retried"),
    [
        pytest.param(408, ValidationError, False, id="B22-408"),
        pytest.param(409, ValidationError, False, id="B22-409"),
        pytest.param(425, ValidationError, False, id="B22-425"),
        pytest.param(429, RateLimitError, True, id="B22-429"),
        pytest.param(500, ServerError, True, id="B22-500"),
        pytest.param(502, ServerError, True, id="B22-502"),
        pytest.param(503, ServerError, True, id="B22-503"),
        pytest.param(504, ServerError, True, id="B22-504"),
        pytest.param(529, OverloadedError, True, id="B22-529"),
    ],
)
def test_B22_what_may_pass_is_retried_as_the_policy_says(ask, status, kind, retried):
    """The rest surfaces, retryable where another try can help."""
    played = ask([Answer(status=status), GOOD])
    assert (played.error is None) is retried
    assert len(played.requests) == 1 + retried
    error = expect(ask(lambda _: Answer(status=status), [Retry(max_retries=1)]), kind, requests=1 + retried)
    assert (error.status_code, error.retryable) == (status, True)


@pytest.mark.parametrize(
    ("status", "verdict", "requests"),
    [
        pytest.param(529, "false", 1, id="B23-false"),
        pytest.param(409, "true", 2, id="B23-true"),
        pytest.param(529, "true", 2, id="B23-true-anyway"),
        pytest.param(409, "false", 1, id="B23-false-anyway"),
    ],
)
def test_B23_the_servers_own_verdict_is_honoured(ask, status, verdict, requests):
    """Within our caps."""
    reply = Answer(status=status, headers={"x-should-retry": verdict})
    played = ask(lambda _: reply, [Retry(max_retries=1, initial_delay=1.0, jitter=0)])
    assert len(played.requests) == requests
    assert played.error.should_retry is (verdict == "true")


@pytest.mark.parametrize(
    ("body", "elapsed"),
    [
        pytest.param([b"x" * 65_536] * 16_000, 0.0, id="B24-a-gigabyte"),
        pytest.param([part for _ in range(1000) for part in (b"x", 0.5)], 5.0, id="B24-dripping"),
        pytest.param([b"x", STALL], 5.0, id="B24-stalled"),
        pytest.param([STALL], 5.0, id="B24-silent"),
    ],
)
def test_B24_an_error_body_is_read_within_bounds(ask, body, elapsed):
    """64 KiB and five seconds; the connection is not used again."""
    played = ask([Answer(status=400, body=body)])
    expect(played, ValidationError)
    assert played.elapsed == elapsed
    assert [exchange.released for exchange in played.transport.exchanges] == [False]
    assert played.transport.exchanges[0]._body != []


def test_B24_the_deadline_bounds_it_too(ask):
    """The status is known, so that is the error."""
    played = ask([Answer(status=400, body=[STALL])], timeouts=Timeouts(total=2))
    expect(played, ValidationError)
    assert played.elapsed == 2.0


def test_B24_an_error_body_that_breaks_is_its_end(ask):
    """What was read counts."""
    from unbroken import NetworkError

    error = expect(
        ask([Answer(status=400, body=[api_error("invalid_request_error"), NetworkError("reset")])]),
        ValidationError,
    )
    assert "words" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>nginx", id="B25-html"),
        pytest.param(b"\xff\xfe\x00garbage", id="B25-not-utf-8"),
        pytest.param(b"[" * 60_000, id="B25-nested"),
        pytest.param(b'{"error":' * 7_000, id="B25-nested-objects"),
        pytest.param(b'{"error": {"message": 5, "type": []}}', id="B25-wrong-types"),
        pytest.param(b'{"error": null}', id="B25-null"),
        pytest.param(b"", id="B25-empty"),
    ],
)
def test_B25_a_strange_error_body_is_still_the_typed_error(ask, body):
    """The status decides."""
    for dialect in (Anthropic(), None):
        error = expect(ask([Answer(status=404, body=body)], dialect=dialect), ValidationError)
        assert error.status_code == 404
        assert str(error).isprintable()


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "GZIP", "gzip, identity", "x\x1b[31m"])
def test_B26_an_encoded_stream_is_refused_unread(ask, encoding):
    """The bomb is never inflated: not a byte of the body is read."""
    played = ask([Answer(headers={**STREAM, "content-encoding": encoding}, body=b"\x1f\x8b\x08")])
    error = expect(played, StreamError)
    assert "identity was asked for" in str(error)
    assert str(error).isprintable()
    assert played.transport.exchanges[0]._body == [b"\x1f\x8b\x08"]


@pytest.mark.parametrize("latency", [STALL, 60.1, 1e9])
def test_B27_a_head_that_never_comes_is_bounded_by_the_first_event_clock(ask, latency):
    """Whatever the server does meanwhile, such as a drip of 103 Early Hints."""
    played = ask([Answer(latency=latency)], [Timeout(first_event=60)])
    error = expect(played, TimeoutError)
    assert (error.timeout, played.elapsed) == ("first_event", 60.0)


def test_B28_too_many_header_fields_are_an_error(ask):
    """No policy retries it, and nothing of the body is read."""
    headers = [("content-type", "text/event-stream"), *[(f"x-{number}", "y") for number in range(5000)]]
    played = ask([Answer(headers=headers, body=sse(DELTA, STOP))])
    error = expect(played, StreamError)
    assert "5001 header fields" in str(error)
    assert [exchange.released for exchange in played.transport.exchanges] == [False]


@pytest.mark.parametrize("status", [200, 400])
def test_B29_both_lengths_are_an_error_and_the_connection_is_not_reused(ask, status):
    """RFC 9112 §6.3: it is how responses are smuggled."""
    headers = {**STREAM, "content-length": "5", "transfer-encoding": "chunked"}
    played = ask([Answer(status=status, headers=headers, body=sse(DELTA, STOP))])
    expect(played, StreamError)
    assert [exchange.released for exchange in played.transport.exchanges] == [False]


YEAR_9999 = "Fri, 31 Dec 9999 23:59:59 GMT"
PAST = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("fields", "wait", "hint"),
    [
        pytest.param(["-10"], 1.0, None, id="B30-negative"),
        pytest.param(["0"], 1.0, 0.0, id="B30-zero"),
        pytest.param(["0.5"], 0.5, 0.5, id="B30-decimal"),
        pytest.param(["1e308"], 1.0, None, id="B30-exponent"),
        pytest.param(["inf"], 1.0, None, id="B30-inf"),
        pytest.param(["nan"], 1.0, None, id="B30-nan"),
        pytest.param([""], 1.0, None, id="B30-empty"),
        pytest.param(["abc"], 1.0, None, id="B30-word"),
        pytest.param(["1_0"], 1.0, None, id="B30-underscore"),
        pytest.param(["٣"], 1.0, None, id="B30-arabic-digit"),
        pytest.param([PAST], 1.0, 0.0, id="B30-past-date"),
        pytest.param(["5", "10"], 10.0, 10.0, id="B30-two-headers"),
        pytest.param(["119"], 119.0, 119.0, id="B30-below-the-cap"),
        pytest.param(["120"], 120.0, 120.0, id="B30-at-the-cap"),
        pytest.param([YEAR_9999], None, 315_360_000.0, id="B30-year-9999"),
        pytest.param(["121"], None, 121.0, id="B30-over-the-cap"),
        pytest.param(["9" * 400], None, 315_360_000.0, id="B30-400-digits"),
        pytest.param(["86400"], None, 86_400.0, id="B33-a-day"),
    ],
)
@pytest.mark.parametrize("jitter", [0, 0.1])
def test_B30_never_earlier_than_asked_and_never_beyond_the_cap(ask, fields, wait, hint, jitter):
    """A usable hint is waited for; over the cap the call fails at once with the hint on the error."""
    headers = [("retry-after", field) for field in fields]
    played = ask([Answer(status=429, headers=headers), GOOD], [Timeout(), Retry(initial_delay=1.0, jitter=jitter)])
    if wait is None:
        error = expect(played, RateLimitError)
        assert (error.retry_after, played.elapsed) == (hint, 0.0)
        return
    assert played.error is None
    (slept,) = played.clock.slept
    if hint:
        assert wait <= slept <= min(wait * (1 + jitter), 120.0)
    else:
        assert wait * (1 - jitter) <= slept <= wait * (1 + jitter)
    assert played.transport.sent_at[1] - played.transport.sent_at[0] == pytest.approx(slept)


@pytest.mark.parametrize("hint", ["30", "119.5", "20.01"])
def test_B30_never_beyond_the_deadline(ask, hint):
    """The hint is on the error, for whoever has more time."""
    played = ask([Answer(status=429, headers={"retry-after": hint})], [Timeout(total=20), Retry()])
    error = expect(played, RateLimitError)
    assert (error.retry_after, played.elapsed) == (float(hint), 0.0)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        pytest.param({"retry-after-ms": "2500", "retry-after": "9"}, 2.5, id="B31-both"),
        pytest.param({"retry-after-ms": "soon", "retry-after": "9"}, 9.0, id="B31-unusable"),
        pytest.param({"date": PAST, "retry-after": "Sun, 06 Nov 1994 08:49:50 GMT"}, 13.0, id="B31-date"),
    ],
)
def test_B31_milliseconds_first_and_dates_by_the_servers_own_clock(ask, headers, wait):
    """However wrong that is; ours may jump meanwhile."""
    played = ask([Answer(status=503, headers=headers), GOOD])
    assert played.error is None
    assert played.clock.slept == [wait]


def test_B32_a_spent_quota_is_one_request(ask):
    """Waiting cannot cure it, whatever the status suggests."""
    body = api_error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"})
    error = expect(ask([Answer(status=429, headers={"retry-after": "1"}, body=body)]), QuotaExceededError)
    assert not error.retryable
