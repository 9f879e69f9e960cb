"""What the rate-limit headers of a server mean for the limits configured here."""

from collections.abc import Iterable
from typing import Final

from unbroken import RateLimitStatus

# "tokens-remaining" is rounded to the nearest thousand (Anthropic, "Response headers"), so up to 500 more are left.
_ROUNDED_TO: Final = 1000


def left(statuses: Iterable[RateLimitStatus]) -> dict[str, float]:
    """Return the most units that can be left, by kind, for the kinds that the response gives a count of."""
    return {status.kind: units for status in statuses if (units := _left(status)) is not None}


def closed_for(statuses: Iterable[RateLimitStatus]) -> float:
    """Return the seconds until the server has a request left again, 0.0 if it has one or does not say.

    All requests are back after `reset_after`. They come back one by one, so the first is back after
    `reset_after` / `limit`.
    """
    return max(
        (
            status.reset_after / (status.limit or 1)
            for status in statuses
            if status.kind == "requests" and _left(status) == 0 and status.reset_after is not None
        ),
        default=0.0,
    )


def _left(status: RateLimitStatus) -> float | None:
    """Return the most units that can be left, None if unknown.

    A limit of 0 or less stands for no limit. A number of tokens in whole thousands is taken as rounded.
    """
    remaining = status.remaining
    if remaining is None or remaining < 0 or (status.limit is not None and status.limit <= 0):
        return None
    rounded = status.kind != "requests" and remaining % _ROUNDED_TO == 0
    return remaining + _ROUNDED_TO / 2 if rounded else remaining
