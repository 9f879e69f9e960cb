"""The six rate-limit headers (https://developers.openai.com/api/docs/guides/rate-limits)."""

import re
from typing import Final

from unbroken.dialect import RateLimitStatus
from unbroken.headers import Headers
from unbroken.retry_after import LONGEST

# `\d`, `int` and `float` take the digits of every script, underscores, exponents and "nan".
_COUNT = re.compile("[0-9]{1,15}")
_SECONDS = re.compile("[0-9]+(?:[.][0-9]+)?")
# Field values are read as Latin-1, in which the UTF-8 of either micro sign, U+00B5 and U+03BC, is two characters.
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
    """Return what `headers` say of each limit: None where that cannot be read, nothing where none of it can."""
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
    """Read a number of requests or tokens; Azure's -1 stands for one that it does not know."""
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
    """Read what Go's ``time.ParseDuration`` reads (https://pkg.go.dev/time#ParseDuration), such as ``6m0s``.

    Returns seconds in [0, `LONGEST`], 0.0 for a negative duration: that limit is whole already.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    if match["sign"] == "-":
        return 0.0
    return min(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(match["parts"])), LONGEST)
