"""The six rate-limit headers (https://developers.openai.com/api/docs/guides/rate-limits)."""

import re
from typing import Final

from unbroken.dialect import RateLimitStatus
from unbroken.headers import Headers
from unbroken.retry_after import LONGEST

# `\d`, `int` and `float` would also accept the digits of every script, underscores, exponents and "nan".
_COUNT = re.compile("[0-9]{1,15}")
_SECONDS = re.compile("[0-9]+(?:[.][0-9]+)?")
# Header values are decoded as Latin-1, which turns the UTF-8 of either micro sign (U+00B5, U+03BC) into two characters.
_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "\u00c2\u00b5s": 1e-6,
    "\u00ce\u00bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
# Digits may be read in one way only: were the point alone optional, a long number could be split at each of its digits.
_PART = re.compile(f"([0-9]+(?:[.][0-9]*)?|[.][0-9]+)({'|'.join(_UNITS)})")
_DURATION = re.compile(f"(?P<sign>[+-]?)(?P<parts>(?:{_PART.pattern})+)")
_LONGEST_TEXT: Final = 1024
"""Characters of a value that is read; the longest duration of Go has 24."""


def rate_limits(headers: Headers) -> tuple[RateLimitStatus, ...]:
    """Return one status per limit in `headers`. An invalid value is None; a limit without any valid one is left out."""
    found = (_limit(headers, kind) for kind in ("requests", "tokens"))
    return tuple(status for status in found if status is not None)


def _limit(headers: Headers, kind: str) -> RateLimitStatus | None:
    status = RateLimitStatus(
        kind=kind,
        limit=_count(headers.get(f"x-ratelimit-limit-{kind}", "")),
        remaining=_count(headers.get(f"x-ratelimit-remaining-{kind}", "")),
        reset_after=_reset_after(headers.get(f"x-ratelimit-reset-{kind}", "")),
    )
    return None if status == RateLimitStatus(kind=kind) else status


def _count(value: str) -> int | None:
    """Return a number of requests or tokens, None for anything else. Azure sends -1 for a number it does not know."""
    text = value.strip(" \t")
    return int(text) if _COUNT.fullmatch(text) else None


def _reset_after(value: str) -> float | None:
    text = value.strip(" \t")
    if len(text) > _LONGEST_TEXT:
        return None
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST)
    return _duration(text)


def _duration(text: str) -> float | None:
    """Parse a duration like Go's ``time.ParseDuration`` (https://pkg.go.dev/time#ParseDuration), such as ``6m0s``.

    Returns seconds in [0, `LONGEST`], None for anything else. A negative duration is 0.0: the limit has been reset.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    if match["sign"] == "-":
        return 0.0
    return min(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(match["parts"])), LONGEST)
