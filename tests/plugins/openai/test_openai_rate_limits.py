"""The rate-limit headers of OpenAI and Azure."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unbroken.dialect import RateLimitStatus
from unbroken.headers import Headers
from unbroken.retry_after import LONGEST
from unbroken_openai import OpenAI

DIALECT = OpenAI()
NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
NANOSECONDS["h"] = 60 * NANOSECONDS["m"]


def read(**headers: str) -> tuple[RateLimitStatus, ...]:
    """Read headers given without their common beginning."""
    fields = {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in headers.items()}
    return DIALECT.rate_limits(Headers(fields), 1_000.0)


def reset(value: str) -> float | None:
    (status,) = read(limit_tokens="1", reset_tokens=value)
    return status.reset_after


def test_all_six_headers_are_read():
    """Two limits, each with its size, what is left of it and when it is whole again."""
    fields = {
        "x-ratelimit-limit-requests": "60",
        "X-RateLimit-Remaining-Requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert DIALECT.rate_limits(Headers(fields), 0.0) == (
        RateLimitStatus(kind="requests", limit=60, remaining=59, reset_after=1.0),
        RateLimitStatus(kind="tokens", limit=150_000, remaining=149_984, reset_after=360.0),
    )


def test_azures_numbers_are_read():
    """Plain seconds, and -1 for what it does not know."""
    statuses = read(limit_requests="-1", remaining_requests="0", reset_requests="-1", reset_tokens="27")
    assert statuses == (
        RateLimitStatus(kind="requests", remaining=0),
        RateLimitStatus(kind="tokens", reset_after=27.0),
    )


def test_a_limit_of_which_nothing_can_be_read_is_left_out():
    """No headers, no statuses; what is usable of one is kept."""
    assert read() == ()
    assert read(limit_tokens="-1", remaining_tokens="-1", reset_tokens="-1", remaining_requests="0") == (
        RateLimitStatus(kind="requests", remaining=0),
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("12ms", 0.012, id="milliseconds"),
        pytest.param("1s", 1.0, id="second"),
        pytest.param("6m0s", 360.0, id="minutes"),
        pytest.param("2m59.56s", 179.56, id="fraction"),
        pytest.param("1h2m3s", 3723.0, id="hours"),
        pytest.param("150us", 0.00015, id="us"),
        pytest.param("150µs", 0.00015, id="micro-sign"),
        pytest.param("150μs", 0.00015, id="mu"),
        pytest.param("150µs".encode().decode("latin-1"), 0.00015, id="micro-sign-on-the-wire"),
        pytest.param("150μs".encode().decode("latin-1"), 0.00015, id="mu-on-the-wire"),
        pytest.param("80ns", 8e-8, id="nanoseconds"),
        pytest.param("0s", 0.0, id="zero"),
        pytest.param(" 1s\t", 1.0, id="spaces"),
        pytest.param("+1s", 1.0, id="plus"),
        pytest.param("-3ms", 0.0, id="over-already"),
        pytest.param("1.s", 1.0, id="point-alone"),
        pytest.param(".5s", 0.5, id="no-digit-before-the-point"),
        pytest.param("90000h", LONGEST, id="B30-longest"),
        pytest.param("9" * 400 + "h", LONGEST, id="B30-more-than-a-float"),
        pytest.param("9" * 400, LONGEST, id="B30-endless-seconds"),
        pytest.param("0", 0.0, id="azure-zero"),
        pytest.param("59.56", 59.56, id="decimal-seconds"),
        pytest.param("-1", None, id="azure-unknown"),
        pytest.param("+1", None, id="plus-without-unit"),
        pytest.param("1", 1.0, id="azure-second"),
        pytest.param("1d", None, id="days"),
        pytest.param("1S", None, id="upper-case"),
        pytest.param("1 s", None, id="space-within"),
        pytest.param(".s", None, id="no-digit"),
        pytest.param("s", None, id="unit-alone"),
        pytest.param("1e3s", None, id="B30-exponent"),
        pytest.param("1_0s", None, id="B30-underscore"),
        pytest.param("٣s", None, id="B30-other-digits"),
        pytest.param("٣", None, id="B30-other-digits-alone"),
        pytest.param("nan", None, id="B30-nan"),
        pytest.param("infs", None, id="B30-inf"),
        pytest.param("1s, 2s", None, id="B30-two-headers"),
        pytest.param("2026-03-01T12:00:00Z", None, id="a-date"),
        pytest.param("", None, id="B30-empty"),
    ],
)
def test_a_reset_is_a_duration_of_go_or_a_number_of_seconds(value: str, seconds: float | None):
    """Never negative, never beyond ten years, None for anything else."""
    assert reset(value) == (None if seconds is None else pytest.approx(seconds, rel=1e-12))


@pytest.mark.parametrize(
    ("value", "count"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param(" 80000\t", 80_000, id="spaces"),
        pytest.param("-1", None, id="azure-unknown"),
        pytest.param("1.0", None, id="B30-decimal"),
        pytest.param("1e3", None, id="B30-exponent"),
        pytest.param("1_0", None, id="B30-underscore"),
        pytest.param("٣", None, id="B30-other-digits"),
        pytest.param("1, 2", None, id="B30-two-headers"),
        pytest.param("9" * 5_000, None, id="B30-endless"),
    ],
)
def test_a_count_is_ascii_digits(value: str, count: int | None):
    """Everything that int() would also take is None."""
    (status,) = read(limit_requests=value, remaining_requests=value, reset_requests="1s")
    assert (status.limit, status.remaining) == (count, count)


def as_go_reads(text: str) -> Fraction | None:
    """Read a duration by hand, character by character, in seconds; as Go's documentation describes it."""
    sign, rest = (text[0], text[1:]) if text[:1] in {"+", "-"} else ("", text)
    total, read_any = Fraction(0), False
    while rest:
        digits = rest[: next((at for at, each in enumerate(rest) if each not in "0123456789."), len(rest))]
        whole, _, fraction = digits.partition(".")
        if "." in fraction or not (whole or fraction):
            return None
        rest = rest[len(digits) :]
        unit = next((name for name in sorted(NANOSECONDS, key=len, reverse=True) if rest.startswith(name)), None)
        if unit is None:
            return None
        rest = rest[len(unit) :]
        value = Fraction(int(whole or "0")) + Fraction(int(fraction or "0"), 10 ** len(fraction))
        total, read_any = total + value * NANOSECONDS[unit] / 10**9, True
    if not read_any:
        return None
    return Fraction(0) if sign == "-" else min(total, Fraction(LONGEST))


PARTS = st.tuples(st.from_regex(r"[0-9]{0,12}\.?[0-9]{0,4}", fullmatch=True), st.sampled_from([*NANOSECONDS, "", "x"]))
DURATIONS = st.tuples(st.sampled_from(["", "", "+", "-"]), st.lists(PARTS, min_size=1, max_size=4)).map(
    lambda parts: parts[0] + "".join(number + unit for number, unit in parts[1])
)


@given(value=DURATIONS | st.text("0123456789.+-hmsnuµ", max_size=12))
@example("1m1ms")
@example("1h.5m")
def test_a_duration_is_what_go_would_make_of_it(value: str):
    """Against a reader written by hand with exact fractions; plain numbers are Azure's."""
    expected = as_go_reads(value)
    if expected is None and value.strip("0123456789.") == "":
        return
    assert reset(value) == (None if expected is None else pytest.approx(float(expected), rel=1e-12))


@given(value=st.text(max_size=40))
def test_no_value_breaks_the_reading(value: str):
    """Whatever a header says, the status is within bounds or not there."""
    for status in read(limit_tokens=value, remaining_tokens=value, reset_tokens=value):
        assert status.reset_after is None or 0 <= status.reset_after <= LONGEST
        assert status.limit is None or status.limit >= 0
