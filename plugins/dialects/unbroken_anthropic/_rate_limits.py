"""The twelve rate-limit headers (https://platform.claude.com/docs/en/api/rate-limits)."""

import re
from datetime import date
from typing import Final

from unbroken.dialect import RateLimitStatus
from unbroken.headers import Headers
from unbroken.retry_after import LONGEST, sent_at

_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")
_NAMES: Final = frozenset(
    f"anthropic-ratelimit-{limit}-{what}" for limit in _LIMITS for what in ("limit", "remaining", "reset")
)

# `\d` and `int` would also accept the digits of every script, underscores and signs.
_COUNT = re.compile("[0-9]{1,15}")
# RFC 3339 §5.6: date-time = full-date "T" full-time. "T" and "Z" may be lower case, a leap second is 60.
_DATE_TIME = re.compile(
    "(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[Tt]"
    "(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>(?:[0-5][0-9]|60)(?:[.][0-9]{1,9})?)"
    "(?:[Zz]|(?P<sign>[+-])(?P<offset_hour>[01][0-9]|2[0-3]):(?P<offset_minute>[0-5][0-9]))"
)


def rate_limits(headers: Headers, received_at: float) -> tuple[RateLimitStatus, ...]:
    """Return one status per limit in `headers`. An invalid value is None; a limit without any valid one is left out.

    `reset_after` is the seconds from the ``Date`` of the response, or without a valid one from `received_at`.
    """
    if _NAMES.isdisjoint(headers):  # a fast way out, as this runs for every response
        return ()
    now = sent_at(headers, received_at)
    found = (_limit(headers, f"anthropic-ratelimit-{name}", name.replace("-", "_"), now) for name in _LIMITS)
    return tuple(status for status in found if status is not None)


def _limit(headers: Headers, prefix: str, kind: str, now: float) -> RateLimitStatus | None:
    status = RateLimitStatus(
        kind=kind,
        limit=_count(headers.get(f"{prefix}-limit")),
        remaining=_count(headers.get(f"{prefix}-remaining")),
        reset_after=_reset_after(headers.get(f"{prefix}-reset"), now),
    )
    return None if status == RateLimitStatus(kind=kind) else status


def _count(value: str | None) -> int | None:
    text = (value or "").strip(" \t")
    return int(text) if _COUNT.fullmatch(text) else None


def _reset_after(value: str | None, now: float) -> float | None:
    at = _timestamp((value or "").strip(" \t"))
    return None if at is None else min(max(0.0, at - now), LONGEST)


def _timestamp(text: str) -> float | None:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    try:
        days = date(int(match["year"]), int(match["month"]), int(match["day"])) - date(1970, 1, 1)
    except ValueError:  # 30 February, the year 0
        return None
    local = days.days * 86_400.0 + int(match["hour"]) * 3600 + int(match["minute"]) * 60 + float(match["second"])
    if match["sign"] is None:
        return local
    offset = int(match["offset_hour"]) * 3600 + int(match["offset_minute"]) * 60
    return local - offset if match["sign"] == "+" else local + offset
