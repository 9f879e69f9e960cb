"""A shared state that is down is never passed over in silence: each failure is counted, and the caller is refused."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from attrs import define

from ..values import Allowance, Balance, Cost, Denied, Grant, Principal, Standing
from . import Revocation, State, StateUnavailable

T = TypeVar("T")


@define(eq=False)
class Closed:
    """Implements `State` for ``on_state_failure = "closed"``: StateUnavailable is counted and raised."""

    shared: State
    on_failure: Callable[[str], None]
    """Is called with the name of each operation that the shared state did not do."""

    async def reserve(self, user: str, allowance: Allowance, cost: Cost, slot_ttl: float) -> Grant | Denied:
        """Reserve a place, requests, tokens and money."""
        return await self._shared("reserve", lambda: self.shared.reserve(user, allowance, cost, slot_ttl))

    async def beat(self, grant: Grant, slot_ttl: float) -> bool:
        """Renew the lease. Returns False when it has ended."""
        return await self._shared("beat", lambda: self.shared.beat(grant, slot_ttl))

    async def settle(self, grant: Grant, used: Cost) -> Balance:
        """Count `used` in place of what the grant has counted so far."""
        return await self._shared("settle", lambda: self.shared.settle(grant, used))

    async def release(self, grant: Grant) -> None:
        """Give the place back."""
        await self._shared("release", lambda: self.shared.release(grant))

    async def standing(self, user: str, allowance: Allowance) -> Standing:
        """Return what `user` has used."""
        return await self._shared("standing", lambda: self.shared.standing(user, allowance))

    async def users(self) -> list[str]:
        """Return at most 1 000 users of whom something counts."""
        return await self._shared("users", self.shared.users)

    async def revoke(self, kind: Revocation, value: str, until: float, before: float | None = None) -> None:
        """Revoke until `until`. It is never only local: StateUnavailable says that it may not have been done."""
        await self._shared("revoke", lambda: self.shared.revoke(kind, value, until, before))

    async def revoked(self, principal: Principal) -> bool:
        """Return whether the credential of `principal` is revoked."""
        return await self._shared("revoked", lambda: self.shared.revoked(principal))

    async def aclose(self) -> None:
        """Close the shared state."""
        await self.shared.aclose()

    async def _shared(self, name: str, operation: Callable[[], Awaitable[T]]) -> T:
        try:
            return await operation()
        except StateUnavailable:
            self.on_failure(name)
            raise
