"""Going on while the shared state is down, each worker with its share of the limits.

============  ====================================================  =================================================
state         operations go                                         it is left
============  ====================================================  =================================================
up            to the shared state                                   with the first StateUnavailable: down
down          to the memory of this worker, but one a second        when a probe succeeds: catching up
              to the shared state, the probe
catching up   to the memory of this worker, while what was settled  when nothing is left: up; with StateUnavailable:
              and released meanwhile is told to the shared state    down
============  ====================================================  =================================================
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from attrs import define, evolve, field, frozen

from ..values import Allowance, Balance, Cost, Denied, Grant, Principal, Rate, Standing
from . import Revocation, StateUnavailable
from .memory import MemoryState
from .resilient import Closed

T = TypeVar("T")
PROBE: Final = 1.0
"""Seconds between two probes."""
MOST: Final = 10_000
"""The most grants, and the most revoked credentials, that are remembered."""
MARK: Final = "local:"
"""Begins the ids of the grants of this worker's memory."""


def share(allowance: Allowance, workers: int) -> Allowance:
    """Return one worker's part, rounded down but at least one request, token and stream where there was one."""

    def part(amount: int) -> int:
        return min(amount, max(1, amount // workers))

    def rate(whole: Rate | None) -> Rate | None:
        return None if whole is None else evolve(whole, amount=part(whole.amount))

    budget, streams = allowance.budget, allowance.streams
    return Allowance(
        requests=rate(allowance.requests),
        tokens=rate(allowance.tokens),
        streams=None if streams is None else part(streams),
        budget=None if budget is None else evolve(budget, amount=budget.amount // workers),
    )


@frozen
class _Missed:
    """What the shared state has not been told about a grant of its own."""

    grant: Grant
    used: Cost | None = None
    released: bool = False


@define(eq=False)
class Local(Closed):
    """Implements `State` for ``on_state_failure = "local"``.

    While the shared state is down, a call that it granted goes on: its place is taken for renewed, it is not cut at the
    budget, and what it used is told later. Only revocations that this worker has met are known.
    """

    workers: int = 1
    """How many share the limits."""
    memory: MemoryState = field(factory=MemoryState)
    _clock: Callable[[], float] = time.monotonic
    _down: bool = field(default=False, init=False)
    _probe_at: float = field(default=0.0, init=False)
    _catching_up: "asyncio.Task[None] | None" = field(default=None, init=False)
    _missed: OrderedDict[str, _Missed] = field(factory=OrderedDict[str, _Missed], init=False)
    _met: OrderedDict[tuple[str, str, str], None] = field(factory=OrderedDict[tuple[str, str, str], None], init=False)

    async def reserve(self, user: str, allowance: Allowance, cost: Cost, slot_ttl: float) -> Grant | Denied:
        """Reserve in the shared state, or within this worker's share."""
        try:
            return await super().reserve(user, allowance, cost, slot_ttl)
        except StateUnavailable:
            granted = await self.memory.reserve(user, share(allowance, self.workers), cost, slot_ttl)
            return granted if isinstance(granted, Denied) else evolve(granted, id=MARK + granted.id)

    async def beat(self, grant: Grant, slot_ttl: float) -> bool:
        """Renew the lease. Returns True while the shared state that granted it is down."""
        if (own := _own(grant)) is not None:
            return await self.memory.beat(own, slot_ttl)
        try:
            return await super().beat(grant, slot_ttl)
        except StateUnavailable:
            return True

    async def settle(self, grant: Grant, used: Cost) -> Balance:
        """Count `used`, at once or when the shared state is back; until then there is no known balance."""
        if (own := _own(grant)) is not None:
            return await self.memory.settle(own, used)
        try:
            balance = await super().settle(grant, used)
        except StateUnavailable:
            self._miss(evolve(self._missed.get(grant.id, _Missed(grant)), used=used))
            return Balance(None)
        if (missed := self._missed.get(grant.id)) is not None:  # this was the probe, and what it told is newer
            self._miss(evolve(missed, used=None))
        return balance

    async def release(self, grant: Grant) -> None:
        """Give the place back, at once or when the shared state is back."""
        if (own := _own(grant)) is not None:
            return await self.memory.release(own)
        try:
            await super().release(grant)
        except StateUnavailable:
            self._miss(evolve(self._missed.get(grant.id, _Missed(grant)), released=True))

    async def standing(self, user: str, allowance: Allowance) -> Standing:
        """Return what `user` has used, in this worker alone while the shared state is down."""
        try:
            return await super().standing(user, allowance)
        except StateUnavailable:
            return await self.memory.standing(user, share(allowance, self.workers))

    async def users(self) -> list[str]:
        """Return the users, of this worker alone while the shared state is down."""
        try:
            return await super().users()
        except StateUnavailable:
            return await self.memory.users()

    async def revoke(self, kind: Revocation, value: str, until: float, before: float | None = None) -> None:
        """Revoke here, and in the shared state. Raises StateUnavailable when it is not known there."""
        await self.memory.revoke(kind, value, until, before)
        await super().revoke(kind, value, until, before)

    async def revoked(self, principal: Principal) -> bool:
        """Return whether the credential is revoked, as far as this worker knows while the shared state is down."""
        key = (principal.user, principal.credential_id, principal.key_id)
        try:
            revoked = await super().revoked(principal)
        except StateUnavailable:
            return key in self._met or await self.memory.revoked(principal)
        if revoked:
            _put(self._met, key, None)
        else:
            self._met.pop(key, None)
        return revoked

    async def aclose(self) -> None:
        """Close the shared state. What it was not told is lost."""
        if self._catching_up is not None:
            await asyncio.wait([self._catching_up])
        await super().aclose()

    async def _shared(self, name: str, operation: Callable[[], Awaitable[T]]) -> T:
        if self._down:
            if self._catching_up is not None or self._clock() < self._probe_at:
                self.on_failure(name)
                raise StateUnavailable("the shared state is down")
            self._probe_at = self._clock() + PROBE
        try:
            result = await super()._shared(name, operation)
        except StateUnavailable:
            self._down, self._probe_at = True, self._clock() + PROBE
            raise
        if self._down and self._catching_up is None:
            self._catching_up = asyncio.ensure_future(self._catch_up())
        return result

    async def _catch_up(self) -> None:
        try:
            while self._missed:
                _, missed = self._missed.popitem(last=False)
                await self._tell(missed)
            self._down = False
        except StateUnavailable:
            self._probe_at = self._clock() + PROBE
        finally:
            self._catching_up = None

    async def _tell(self, missed: _Missed) -> None:
        try:
            if missed.used is not None:
                await self.shared.settle(missed.grant, missed.used)
            if missed.released:
                await self.shared.release(missed.grant)
        except StateUnavailable:
            newer = self._missed.get(missed.grant.id, missed)
            self._miss(_Missed(missed.grant, newer.used or missed.used, newer.released or missed.released))
            raise

    def _miss(self, missed: _Missed) -> None:
        _put(self._missed, missed.grant.id, missed)


K = TypeVar("K")
V = TypeVar("V")


def _put(entries: OrderedDict[K, V], key: K, value: V) -> None:
    """Add an entry in place of the oldest."""
    entries[key] = value
    if len(entries) > MOST:
        entries.popitem(last=False)


def _own(grant: Grant) -> Grant | None:
    """Return the grant as this worker's memory knows it; None for one of the shared state."""
    return evolve(grant, id=grant.id.removeprefix(MARK)) if grant.id.startswith(MARK) else None
