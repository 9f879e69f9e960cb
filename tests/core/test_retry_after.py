"""The strict parser of Retry-After and friends."""

import math
import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken.headers import Headers
from unbroken.retry_after import LONGEST, retry_after, should_retry

# The example date of RFC 9110 §5.6.7, in its three forms.
EXAMPLE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()
IMF = "Sun, 06 Nov 1994 08:49:37 GMT"
RFC850 = "Sunday, 06-Nov-94 08:49:37 GMT"
ASCTIME = "Sun Nov  6 08:49:37 1994"


def asked(*values: str, **others: str) -> Headers:
    """Make the fields of a response with each of `values` as a Retry-After."""
    fields = [(name.replace("_", "-"), value) for name, value in others.items()]
    return Headers([*[("Retry-After", value) for value in values], *fields])


def http_date(when: float) -> str:
    return format_datetime(datetime.fromtimestamp(when, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("-10", None, id="B30-negative"),
        pytest.param("0", 0.0, id="B30-zero"),
        pytest.param("0.5", 0.5, id="B30-decimal"),
        pytest.param("1e308", None, id="B30-exponent"),
        pytest.param("inf", None, id="B30-inf"),
        pytest.param("Infinity", None, id="B30-infinity"),
        pytest.param("nan", None, id="B30-nan"),
        pytest.param("", None, id="B30-empty"),
        pytest.param(" ", None, id="B30-blank"),
        pytest.param("abc", None, id="B30-word"),
        pytest.param("1_0", None, id="B30-underscore"),
        pytest.param("٣", None, id="B30-arabic-digit"),
        pytest.param("²", None, id="B30-superscript"),
        pytest.param("\uff13", None, id="B30-fullwidth-digit"),
        pytest.param("+5", None, id="B30-plus"),
        pytest.param(".5", None, id="B30-no-whole-part"),
        pytest.param("5.", None, id="B30-no-fraction"),
        pytest.param("1.2.3", None, id="B30-two-points"),
        pytest.param("0x10", None, id="B30-hexadecimal"),
        pytest.param("5 s", None, id="B30-unit"),
        pytest.param("5\n", None, id="B30-newline"),
        pytest.param(" 5\t", 5.0, id="B30-white-space-around"),
        pytest.param("007", 7.0, id="B30-leading-zeros"),
        pytest.param("0" * 400 + "7", 7.0, id="B30-many-leading-zeros"),
        pytest.param("315360000", LONGEST, id="B30-ten-years"),
        pytest.param("315360001", LONGEST, id="B30-over-ten-years"),
        pytest.param("9" * 400, LONGEST, id="B30-400-digits"),
        pytest.param("9" * 100_000, LONGEST, id="B30-100000-digits"),
        pytest.param(IMF, 0.0, id="B30-past-date"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST, id="B30-year-9999"),
        pytest.param("Sat, 01 Jan 0000 00:00:00 GMT", None, id="B30-year-0"),
    ],
)
def test_B30_a_hint_is_finite_and_never_negative_or_unusable(value: str, seconds: float | None) -> None:
    """Numbers and dates that make sense are taken, everything else is no hint."""
    assert retry_after(asked(value), 1_700_000_000.0) == seconds


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        pytest.param(("5", "10"), 10.0, id="B30-two-numbers"),
        pytest.param(("10", "5"), 10.0, id="B30-two-numbers-longer-first"),
        pytest.param(("5, 10",), 10.0, id="B30-joined-by-a-proxy"),
        pytest.param(("abc", "5"), 5.0, id="B30-one-unusable"),
        pytest.param(("-1", ""), None, id="B30-none-usable"),
        pytest.param((http_date(EXAMPLE + 60), "30"), 60.0, id="B30-date-and-number"),
        pytest.param(("90", RFC850), 90.0, id="B30-number-and-past-date"),
        pytest.param((http_date(EXAMPLE + 60), http_date(EXAMPLE + 90)), 90.0, id="B30-two-dates"),
    ],
)
def test_B30_of_several_fields_the_longest_counts(values: tuple[str, ...], seconds: float | None) -> None:
    """Nobody is asked again earlier than any of the fields says; a date's own comma separates nothing."""
    assert retry_after(asked(*values), EXAMPLE) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"retry-after-ms": "1500", "retry-after": "30"}, 1.5, id="B31-milliseconds-first"),
        pytest.param({"Retry-After-Ms": "0.5"}, 0.0005, id="B31-milliseconds-alone"),
        pytest.param({"retry-after-ms": "0", "retry-after": "30"}, 0.0, id="B31-zero-milliseconds"),
        pytest.param({"retry-after-ms": "nan", "retry-after": "30"}, 30.0, id="B31-unusable-milliseconds"),
        pytest.param({"retry-after-ms": IMF, "retry-after": "30"}, 30.0, id="B31-milliseconds-are-no-date"),
        pytest.param({"retry-after-ms": "9" * 99}, LONGEST, id="B31-huge-milliseconds"),
        pytest.param({}, None, id="B31-neither"),
    ],
)
def test_B31_milliseconds_go_before_seconds(headers: dict[str, str], seconds: float | None) -> None:
    """``retry-after-ms`` is the finer statement, so it wins where it can be used."""
    assert retry_after(Headers(headers), EXAMPLE) == seconds


@pytest.mark.parametrize("form", [IMF, RFC850, ASCTIME], ids=["IMF-fixdate", "rfc850-date", "asctime-date"])
def test_B31_all_three_forms_of_a_date_are_read(form: str) -> None:
    """RFC 9110 §5.6.7 obliges recipients to accept each of them."""
    assert retry_after(asked(form), EXAMPLE - 7.5) == 7.5


@pytest.mark.parametrize("form", [IMF, RFC850, ASCTIME], ids=["IMF-fixdate", "rfc850-date", "asctime-date"])
def test_B31_a_date_is_relative_to_the_date_of_the_response(form: str) -> None:
    """The server's clock may be an hour off; the span between its two dates is right all the same."""
    headers = asked(http_date(EXAMPLE + 20), date=form)
    assert retry_after(headers, EXAMPLE + 3600) == 20.0
    assert retry_after(headers, EXAMPLE - 3600) == 20.0


@pytest.mark.parametrize("date", ["yesterday", "", f"{IMF}, {IMF}"], ids=["word", "empty", "twice"])
def test_B31_an_unusable_date_of_the_response_is_replaced_by_our_own(date: str) -> None:
    """Without a valid Date the time of arrival is the reference."""
    assert retry_after(asked(IMF, date=date), EXAMPLE - 20) == 20.0


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "Sun, 06 Nov 1994 08:49:37",
        "sun, 06 nov 1994 08:49:37 gmt",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Wed, 30 Feb 2994 08:49:37 GMT",
        "Sun, 06 Nov 2994 24:49:37 GMT",
        "Sun, 06 Nov 2994 08:60:37 GMT",
        "Sun, 06 Nov 2994 08:49:61 GMT",
        "Sun, ٠٦ Nov 2994 08:49:37 GMT",
        "2994-11-06T08:49:37Z",
        "Sunday, 06-Nov-2094 08:49:37 GMT",
    ],
)
def test_B30_what_is_no_http_date_is_no_hint(value: str) -> None:
    """HTTP dates are case-sensitive, in GMT, and exist."""
    assert retry_after(asked(value), EXAMPLE) is None


def test_B30_a_leap_second_is_a_time() -> None:
    """The grammar of RFC 9110 has the second 60, which `datetime` has not."""
    leap = datetime(2017, 1, 1, tzinfo=UTC).timestamp()
    assert retry_after(asked("Sat, 31 Dec 2016 23:59:60 GMT"), leap - 5) == 5.0


@pytest.mark.parametrize(
    ("today", "when", "seconds"),
    [
        pytest.param((2026, 1, 1), "Friday, 02-Jan-26 00:00:00 GMT", 86_400.0, id="this-year"),
        pytest.param((2026, 1, 1), "Friday, 01-Jan-76 00:00:00 GMT", LONGEST, id="50-years"),
        pytest.param((2026, 1, 1), "Saturday, 01-Jan-77 00:00:00 GMT", 0.0, id="51-years"),
        pytest.param((2099, 12, 31), "Friday, 01-Jan-00 00:00:00 GMT", 86_400.0, id="century"),
    ],
)
def test_B30_two_digits_of_a_year_are_at_most_fifty_years_ahead(
    today: tuple[int, int, int], when: str, seconds: float
) -> None:
    """RFC 9110 §5.6.7 on rfc850-date."""
    assert retry_after(asked(when), datetime(*today, tzinfo=UTC).timestamp()) == seconds


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        ("true", True), ("false", False), ("True", True), ("FALSE", False), (" true\t", True),
        ("1", None), ("yes", None), ("", None), ("true, false", None), ("fals\u0435", None),
    ],
)  # fmt: skip
def test_B23_the_servers_verdict_is_true_or_false_and_nothing_else(value: str, verdict: bool | None) -> None:
    """``x-should-retry`` is read in any case; every other word is no verdict."""
    assert should_retry(Headers({"X-Should-Retry": value})) is verdict


def test_B23_without_the_header_there_is_no_verdict() -> None:
    """Silence is not a no."""
    assert should_retry(Headers()) is None


hostile = st.one_of(
    st.text(),
    st.text(alphabet="0123456789.,-+e_ "),
    st.from_regex(r"(Mon|Sun), [0-9]{2} (Jan|Dec) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT", fullmatch=True),
    st.datetimes().map(lambda when: format_datetime(when.replace(tzinfo=UTC), usegmt=True)),
    st.floats().map(str),
    st.integers().map(str),
)

names = st.sampled_from(["retry-after", "retry-after-ms", "date"])


@given(
    fields=st.lists(st.tuples(names, hostile), max_size=4),
    received_at=st.floats(min_value=0, max_value=1e11),
)
def test_B30_any_headers_give_none_or_a_finite_number_within_the_cap(
    fields: list[tuple[str, str]], received_at: float
) -> None:
    """No text, however it is made, raises or leads to a wait that cannot be waited."""
    hint = retry_after(Headers(fields), received_at)
    assert hint is None or (math.isfinite(hint) and 0.0 <= hint <= LONGEST)


@given(when=st.integers(0, 253_402_300_799), now=st.integers(0, 253_402_300_799))
def test_B31_the_span_between_two_dates_is_exact(when: int, now: int) -> None:
    """Our calendar agrees with the one of `time.gmtime` for every second from 1970 to 9999."""
    form = "%a, %d %b %Y %H:%M:%S GMT"
    headers = asked(time.strftime(form, time.gmtime(when)), date=time.strftime(form, time.gmtime(now)))
    assert retry_after(headers, 0.0) == min(max(0, when - now), LONGEST)


@given(seconds=st.integers(0, int(LONGEST)))
def test_B30_whole_seconds_are_exact(seconds: int) -> None:
    """What the server writes is what is waited."""
    assert retry_after(asked(str(seconds)), 0.0) == seconds
