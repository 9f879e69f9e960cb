"""The rate-limit headers of the Messages API."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken.dialect import RateLimitStatus
from unbroken.headers import Headers
from unbroken.retry_after import LONGEST
from unbroken_anthropic import Anthropic

DIALECT = Anthropic()
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()


def read(received_at: float = NOW, **headers: str) -> tuple[RateLimitStatus, ...]:
    """Read headers given without their common beginning."""
    fields = {f"anthropic-ratelimit-{name.replace('_', '-')}": value for name, value in headers.items()}
    return DIALECT.rate_limits(Headers(fields), received_at)


def test_all_twelve_headers_are_read():
    """Four limits, each with its size, what is left of it and when it is whole again."""
    fields: dict[str, str] = {}
    for number, name in enumerate(("requests", "tokens", "input-tokens", "output-tokens"), 1):
        fields[f"Anthropic-RateLimit-{name}-Limit"] = str(number * 1000)
        fields[f"anthropic-ratelimit-{name}-remaining"] = str(number)
        fields[f"anthropic-ratelimit-{name}-reset"] = f"2026-03-01T12:00:0{number}Z"
    assert DIALECT.rate_limits(Headers(fields), NOW) == (
        RateLimitStatus(kind="requests", limit=1000, remaining=1, reset_after=1.0),
        RateLimitStatus(kind="tokens", limit=2000, remaining=2, reset_after=2.0),
        RateLimitStatus(kind="input_tokens", limit=3000, remaining=3, reset_after=3.0),
        RateLimitStatus(kind="output_tokens", limit=4000, remaining=4, reset_after=4.0),
    )


def test_a_limit_of_which_nothing_can_be_read_is_left_out():
    """No headers, no statuses; what is usable of one is kept."""
    assert read() == ()
    assert read(tokens_limit="many", requests_remaining="0") == (RateLimitStatus(kind="requests", remaining=0),)


def test_headers_without_limits_are_not_looked_into(monkeypatch):
    """The rate-limit policy asks about every answer, so not even their date is read."""
    monkeypatch.setattr("unbroken_anthropic._rate_limits.sent_at", None)
    assert DIALECT.rate_limits(Headers({"Date": "Sun, 01 Mar 2026 12:00:00 GMT", "retry-after": "1"}), NOW) == ()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("2026-03-01T12:01:00Z", 60.0, id="utc"),
        pytest.param(" 2026-03-01t12:01:00z\t", 60.0, id="lower-case"),
        pytest.param("2026-03-01T12:00:00.25Z", 0.25, id="fraction"),
        pytest.param("2026-03-01T14:01:00+02:00", 60.0, id="east"),
        pytest.param("2026-03-01T06:31:00-05:30", 60.0, id="west"),
        pytest.param("2026-03-01T12:00:00-00:00", 0.0, id="unknown-offset"),
        pytest.param("2026-03-01T12:00:60Z", 60.0, id="leap-second"),
        pytest.param("2026-03-01T11:00:00Z", 0.0, id="B30-past"),
        pytest.param("0001-01-01T00:00:00Z", 0.0, id="B30-year-1"),
        pytest.param("9999-12-31T23:59:59Z", LONGEST, id="B30-year-9999"),
        pytest.param("0000-01-01T00:00:00Z", None, id="year-0"),
        pytest.param("2026-02-30T12:00:00Z", None, id="no-such-day"),
        pytest.param("2026-03-01T24:00:00Z", None, id="no-such-hour"),
        pytest.param("2026-03-01T12:00:00", None, id="no-offset"),
        pytest.param("2026-03-01T12:00:00+0200", None, id="iso-offset"),
        pytest.param("2026-03-01 12:00:00Z", None, id="space"),
        pytest.param("2026-03-01T12:00Z", None, id="no-seconds"),
        pytest.param("2026-03-01T12:00:00.Z", None, id="empty-fraction"),
        pytest.param("2026-W09-7T12:00:00Z", None, id="week-date"),
        pytest.param("٢٠٢٦-03-01T12:00:00Z", None, id="B30-other-digits"),
        pytest.param("60", None, id="seconds"),
        pytest.param("6m0s", None, id="go-duration"),
        pytest.param("2026-03-01T12:00:01Z, 2026-03-01T12:00:02Z", None, id="B30-two-headers"),
        pytest.param("", None, id="B30-empty"),
    ],
)
def test_a_reset_is_a_strict_rfc_3339_time(value: str, seconds: float | None):
    """Never negative, never beyond ten years, None for anything else."""
    (status,) = read(tokens_limit="1", tokens_reset=value)
    assert status.reset_after == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        pytest.param("Sun, 01 Mar 2026 11:00:00 GMT", 3_660.0, id="B31-slow-clock"),
        pytest.param("Sun, 01 Mar 2026 13:00:00 GMT", 0.0, id="B31-fast-clock"),
        pytest.param("today", 60.0, id="B31-bad-date"),
    ],
)
def test_a_reset_is_read_against_the_date_of_its_response(date: str, seconds: float):
    """Our clock and the server's may disagree; the distance between two of its times is right."""
    fields = {"Date": date, "anthropic-ratelimit-requests-reset": "2026-03-01T12:01:00Z"}
    (status,) = DIALECT.rate_limits(Headers(fields), NOW)
    assert status.reset_after == seconds


@pytest.mark.parametrize(
    ("value", "count"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param(" 80000\t", 80_000, id="spaces"),
        pytest.param("007", 7, id="leading-zeros"),
        pytest.param("-1", None, id="B30-negative"),
        pytest.param("+1", None, id="B30-plus"),
        pytest.param("1.0", None, id="B30-decimal"),
        pytest.param("1e3", None, id="B30-exponent"),
        pytest.param("1_0", None, id="B30-underscore"),
        pytest.param("٣", None, id="B30-other-digits"),
        pytest.param("²", None, id="B30-superscript"),
        pytest.param("1, 2", None, id="B30-two-headers"),
        pytest.param("9" * 5_000, None, id="B30-endless"),
        pytest.param("", None, id="B30-empty"),
    ],
)
def test_a_count_is_ascii_digits(value: str, count: int | None):
    """Everything that int() would also take is None."""
    (status,) = read(requests_limit=value, requests_remaining=value, requests_reset="2026-03-01T12:00:00Z")
    assert (status.limit, status.remaining) == (count, count)


@given(value=st.text(max_size=40) | st.datetimes().map(lambda moment: moment.isoformat() + "Z"))
def test_no_value_breaks_the_reading(value: str):
    """Whatever a header says, the status is within bounds or not there."""
    for status in read(tokens_limit=value, tokens_remaining=value, tokens_reset=value):
        assert status.reset_after is None or 0 <= status.reset_after <= LONGEST
        assert status.limit is None or status.limit >= 0
