"""What revokes a principal, and the memory of recent answers."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from attrs import define, field, frozen

from ..values import Principal
from . import Revocation

Key = tuple[str, str, str, float | None]

MAX_AGE: Final = 1.0
"""Seconds for which an answer of a shared store is used again: a revocation acts this much later at most."""
MOST: Final = 10_000
"""The most answers that are kept."""


@frozen
class Revoked:
    """One revocation."""

    until: float
    before: float | None = None

    def covers(self, principal: Principal, now: float) -> bool:
        """Return whether `principal` is revoked. One without a time of issue is covered by any ``issued-before``."""
        issued = principal.issued_at
        return now < self.until and (self.before is None or issued is None or issued < self.before)


def revocation(kind: Revocation, until: float, before: float | None) -> Revoked:
    """Return the revocation. Raises ValueError when `before` is missing or makes no sense."""
    if (kind == "issued-before") != (before is not None):
        raise ValueError("`before` belongs to the revocation of kind issued-before, and to no other")
    return Revoked(until, before)


def kinds(principal: Principal) -> Iterator[tuple[Revocation, str]]:
    """Yield the revocations that would concern `principal`."""
    if principal.credential_id:
        yield "token", principal.credential_id
    yield "user", principal.user
    if principal.key_id:
        yield "key", principal.key_id
    yield "issued-before", principal.user


@define(eq=False)
class Answers:
    """Recent answers, so that a shared store is asked once a second about a principal, not at each request."""

    _kept: OrderedDict[Key, tuple[float, bool]] = field(factory=OrderedDict[Key, tuple[float, bool]], init=False)

    def get(self, principal: Principal, now: float) -> bool | None:
        """Return the answer if it is recent."""
        at, answer = self._kept.get(_key(principal), (-MAX_AGE, False))
        return answer if 0 <= now - at < MAX_AGE else None

    def put(self, principal: Principal, now: float, answer: bool) -> None:
        """Remember an answer in place of the oldest."""
        self._kept[_key(principal)] = now, answer
        self._kept.move_to_end(_key(principal))
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all, after a revocation by this worker."""
        self._kept.clear()


def _key(principal: Principal) -> Key:
    return principal.credential_id, principal.user, principal.key_id, principal.issued_at
