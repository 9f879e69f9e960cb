"""What a server's own count of its limits means for ours."""

from collections.abc import Iterable
from typing import Final

from unbroken import RateLimitStatus

# "tokens-remaining" is rounded to the nearest thousand (Anthropic, "Response headers"): so it may be 500 more.
_ROUNDED_TO: Final = 1000


def left(statuses: Iterable[RateLimitStatus]) -> dict[str, float]:
    """Return the units that can be left at most, by kind, where the answer says so."""
    return {status.kind: units for status in statuses if (units := _left(status)) is not None}


def closed_for(statuses: Iterable[RateLimitStatus]) -> float:
    """Return the seconds until the server has a request left again, 0.0 when it has or does not say.

    `reset_after` is when all of them are back. They come back one by one, so one is there after its share of that.
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
    """A limit of 0 or less stands for no limit. Tokens in whole thousands are taken as rounded."""
    remaining = status.remaining
    if remaining is None or remaining < 0 or (status.limit is not None and status.limit <= 0):
        return None
    rounded = status.kind != "requests" and remaining % _ROUNDED_TO == 0
    return remaining + _ROUNDED_TO / 2 if rounded else remaining
