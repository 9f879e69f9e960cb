"""A strict parser of what a server says about whether and when to retry: in headers, or in the words of an error.

==================================================  =======================================================
``retry-after-ms``, ``Retry-After``                 `retry_after`
==================================================  =======================================================
``5``, ``0.5``, ``007`` (ASCII digits, one point)   that many seconds (``retry-after-ms``: milliseconds)
``0``                                               0.0
more than ten years, any number of digits           ten years: finite, and longer than any policy waits
an HTTP date in the future, also in the year 9999   seconds from the response's ``Date``, at most ten years
an HTTP date in the past                            0.0
several values, ``5, 10``                           the longest of the valid ones
both headers                                        ``retry-after-ms``; if it is invalid, ``Retry-After``
empty, ``-10``, ``+5``, ``.5``, ``1e308``, ``inf``  None
``nan``, ``1_0``, ``٣``, ``abc``, any other date    None
==================================================  =======================================================
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final, cast

from .headers import Headers

LONGEST: Final = 10 * 365 * 86_400.0
"""The longest wait that `retry_after` returns, in seconds: ten years."""

# `\d` and `float` accept the digits of every script, underscores, exponents and "nan"; none of these is valid here.
_NUMBER = re.compile(r"([0-9]+)(?:\.[0-9]+)?")
_DIGITS = 12
_YEAR = 365.2425 * 86_400
_NANOS = 1_000_000_000

# A duration in words: "6.5s", "1m2s", "120ms", "2 minutes and 5 seconds".
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_UNIT = "milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d"
_AMOUNT = "[0-9]{1,12}(?:[.][0-9]{1,12})?"
_PART = re.compile(f"({_AMOUNT}) ?({_UNIT})")
_DURATION = re.compile(f"(?:{_AMOUNT} ?(?:{_UNIT})(?:, and |, | and | )?)+(?![a-z0-9])")
_AGAIN = re.compile("(?:try|trying|retry|retrying)(?: again)? (?:in|after) (?:about |approximately )?(?=[0-9])")
_WORDS_LOOKED_AT: Final = 4096

# RFC 9110 §5.6.7: HTTP-date = IMF-fixdate / rfc850-date / asctime-date, case-sensitive, always GMT.
_SHORT_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = "(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_DATES = (
    re.compile(f"{_SHORT_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(f"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(f"{_SHORT_DAY} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)
# The comma between two values, not the one after the day of a date (IMF-fixdate and rfc850-date).
_COMMA = re.compile("(?<!Mon)(?<!Tue)(?<!Wed)(?<!Thu)(?<!Fri)(?<!Sat)(?<!Sun)(?<!day),")


def retry_after(headers: Headers, received_at: float) -> float | None:
    """Return the seconds to wait, in [0, `LONGEST`], None if the headers have no valid value.

    ``retry-after-ms`` takes precedence over ``Retry-After`` (RFC 9110 §10.2.3: a date or seconds; here also with
    decimals). A date is compared with the response's own ``Date``, so the server's clock may be wrong, or with
    `received_at`, in Unix seconds, if there is no valid ``Date``. Of several values the longest counts, so that all of
    them are respected.
    """
    milliseconds = _longest(headers.get("retry-after-ms"), lambda text: _number(text, 1000))
    if milliseconds is not None:
        return milliseconds
    sent_at = _date(headers.get("date", "").strip(" \t"), received_at)
    now = received_at if sent_at is None else sent_at
    return _longest(headers.get("retry-after"), lambda text: _seconds(text, now))


def should_retry(headers: Headers) -> bool | None:
    """Return the value of ``x-should-retry`` (``true`` or ``false`` in any case), None if there is no valid one."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip(" \t").lower())


def seconds_in(duration: object) -> float | None:
    """Return the seconds, in [0, `LONGEST`], of a duration in JSON, None if it is none.

    It is a number of seconds (``39``, ``39.5``), that number as text, a text with units (``39.5s``, ``1m2s``, as in
    protobuf's JSON and in Go), or protobuf's object (``{"seconds": 39, "nanos": 500000000}``).
    """
    if isinstance(duration, dict):
        fields = cast("dict[str, Any]", duration)
        seconds, nanos = seconds_in(fields.get("seconds")), fields.get("nanos")
        part = nanos / _NANOS if isinstance(nanos, int) and 0 <= nanos < _NANOS else 0.0
        return None if seconds is None else min(seconds + part, LONGEST)
    if isinstance(duration, str):
        number = _number(duration.strip())
        text = duration.strip().lower()
        return number if number is not None else _sum(text) if _DURATION.fullmatch(text) else None
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        return float(min(duration, LONGEST)) if duration >= 0 else None
    return None


def seconds_in_words(text: str) -> float | None:
    """Return the seconds after which `text` says to try again (``Please try again in 1m2s.``), None if it does not.

    Only the first 4096 characters are looked at.
    """
    words = " ".join(text[:_WORDS_LOOKED_AT].lower().split())
    for again in _AGAIN.finditer(words):
        duration = _DURATION.match(words, again.end())
        if duration is not None:
            return _sum(duration[0])
    return None


def _sum(duration: str) -> float:
    parts = _PART.findall(duration)
    return min(sum(float(amount) * _unit_seconds(unit) for amount, unit in parts), LONGEST)


def _unit_seconds(unit: str) -> float:
    return 0.001 if unit.startswith(("ms", "mil")) else _SECONDS[unit[0]]


def _longest(value: str | None, parse: Callable[[str], float | None]) -> float | None:
    parsed = [] if value is None else [parse(text.strip(" \t")) for text in _COMMA.split(value)]
    return max((hint for hint in parsed if hint is not None), default=None)


def _seconds(text: str, now: float) -> float | None:
    number = _number(text)
    if number is not None:
        return number
    when = _date(text, now)
    return None if when is None else min(max(0.0, when - now), LONGEST)


def _number(text: str, per_second: int = 1) -> float | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    # The digits are counted first, so that a value with a million of them is never converted.
    return LONGEST if len(match[1].lstrip("0")) > _DIGITS else min(float(text) / per_second, LONGEST)


def _date(text: str, now: float) -> float | None:
    match = next((match for pattern in _DATES if (match := pattern.fullmatch(text))), None)
    if match is None:
        return None
    year, day, hour, minute, second = (int(match[part]) for part in ("year", "day", "hour", "minute", "second"))
    if len(match["year"]) == 2:
        year = _full_year(year, now)
    try:
        days = date(year, _MONTHS.index(match["month"]) + 1, day) - date(1970, 1, 1)
    except ValueError:  # 30 February, the year 0
        return None
    return days.days * 86_400.0 + hour * 3600 + minute * 60 + second


def _full_year(two_digits: int, now: float) -> int:
    """Return the year of a date with two digits. RFC 9110 §5.6.7: more than 50 years in the future means the past."""
    this_year = 1970 + int(now // _YEAR)
    return this_year + (two_digits - this_year + 49) % 100 - 49


def sent_at(headers: Headers, received_at: float) -> float:
    """Return the ``Date`` of a response in Unix seconds, `received_at` if there is no valid one."""
    date = _date(headers.get("date", "").strip(" \t"), received_at)
    return received_at if date is None else date
