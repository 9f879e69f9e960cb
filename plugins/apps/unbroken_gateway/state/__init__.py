"""What the workers share about users: limits, budgets, places and revocations.

Each implementation passes one contract suite. Every operation ends within `DEADLINE`.
"""

from typing import Final, Literal, Protocol

from ..values import Allowance, Balance, Cost, Denied, Grant, Principal, Standing

DEADLINE: Final = 0.1
"""Seconds that an operation may take; then it raises `StateUnavailable`."""

Revocation = Literal["token", "user", "key", "issued-before"]
"""What is revoked: a ``jti`` or the id of a stored key, a `Principal.user`, a ``kid``, or what a user got before."""


class StateUnavailable(Exception):
    """The state did not answer in time, or not at all."""


class State(Protocol):
    """The operations on the shared state. Each is atomic, and idempotent by the id of the grant."""

    async def reserve(self, user: str, allowance: Allowance, cost: Cost, slot_ttl: float) -> Grant | Denied:
        """Take a place, `cost.requests`, tokens and money in one step, or nothing and say which limit denies it.

        The place is a lease: it ends `slot_ttl` seconds after the last `beat`. What was reserved or settled last stays
        counted then. A caller that is cancelled has reserved nothing.
        """
        ...

    async def beat(self, grant: Grant, slot_ttl: float) -> bool:
        """Renew the lease of a place. Returns False when it has ended."""
        ...

    async def settle(self, grant: Grant, used: Cost) -> Balance:
        """Replace what was reserved by what has been used so far. May be called again with any counts.

        A correction counts for 300 seconds after the end of the lease or the last settlement. In a later period of the
        budget, only what is over the money that had counted before counts.
        """
        ...

    async def release(self, grant: Grant) -> None:
        """Give the place back. What was settled last stays counted."""
        ...

    async def standing(self, user: str, allowance: Allowance) -> Standing:
        """Return what `user` has used, from the counters that decide."""
        ...

    async def users(self) -> list[str]:
        """Return the users that have used anything in the present periods, for display; at most 1 000."""
        ...

    async def revoke(self, kind: Revocation, value: str, until: float, before: float | None = None) -> None:
        """Revoke until `until`, in Unix seconds; `before`, in Unix seconds, is for ``issued-before``."""
        ...

    async def revoked(self, principal: Principal) -> bool:
        """Return whether the credential of `principal` is revoked. True within 5 s of `revoke` in any worker."""
        ...

    async def aclose(self) -> None:
        """Close connections and threads."""
        ...
