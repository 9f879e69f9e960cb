"""Which orders of plugins make no sense, and why. The first of a list is outermost."""

from collections.abc import Sequence
from typing import Final

_POLICIES = ("timeout", "retry", "circuit-breaker", "rate-limit")
_UNSEEN = "it does not see the calls that plugins in front of it reject or answer, so it belongs in front"

_ORDER: Final[tuple[tuple[tuple[str, ...], str, str], ...]] = (
    (("rate-limit",), "circuit-breaker", "calls that an open circuit refuses have already spent tokens"),
    (
        ("circuit-breaker",),
        "retry",
        "the circuit gets one verdict per call, after all retries, and cannot stop an attempt when it opens",
    ),
    (("rate-limit",), "retry", "only the first attempt pays, retries go past the limit"),
    (("rate-limit", "retry"), "timeout", "the deadline is not known yet when they decide how long to wait"),
    (_POLICIES, "logging", _UNSEEN),
    (_POLICIES, "metrics", _UNSEEN),
)
"""Those in the first place must not be in front of the second, because."""


def order_problems(names: Sequence[str]) -> list[str]:
    """Return what is wrong with the order of `names`, a sentence each; nothing when the order makes sense."""
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    found: list[str] = []
    for before, after, why in _ORDER:
        early = [name for name in before if after in places and places.get(name, len(names)) < places[after]]
        if early:
            found.append(f"{' and '.join(early)} in front of {after}: {why}")
    return found
