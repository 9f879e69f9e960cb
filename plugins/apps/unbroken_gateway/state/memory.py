"""The state of a single worker, in memory."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from attrs import define, field

from ..values import Allowance, Balance, Cost, Denied, Grant, Principal, Standing
from . import Revocation, ledger
from .ledger import Account, Record
from .revocations import Revoked, kinds, revocation

T = TypeVar("T", Account, Record, Revoked)


def _sweep(entries: OrderedDict[str, T], now: float) -> None:
    """Look at the two oldest entries, which is enough to drop faster than one is added."""
    for key in list(islice(entries, 2)):
        if entries[key].until <= now:
            del entries[key]
        else:
            entries.move_to_end(key)


@define(eq=False)
class MemoryState:
    """Implements `State` for one process. What has drained or ended is dropped, so that idle users take no memory."""

    _clock: Callable[[], float] = time.time
    """Unix seconds."""
    _accounts: OrderedDict[str, Account] = field(factory=OrderedDict[str, Account], init=False)
    _records: OrderedDict[str, Record] = field(factory=OrderedDict[str, Record], init=False)
    _revoked: OrderedDict[str, Revoked] = field(factory=OrderedDict[str, Revoked], init=False)

    async def reserve(self, user: str, allowance: Allowance, cost: Cost, slot_ttl: float) -> Grant | Denied:
        """Reserve a place, requests, tokens and money, or return the denial that lasts longest."""
        now = self._clock()
        _sweep(self._accounts, now)
        _sweep(self._records, now)
        account, id = self._account(user, now), secrets.token_urlsafe(16)
        record = ledger.reserve(account, id, allowance, cost, slot_ttl, now)
        if isinstance(record, Denied):
            return record
        self._accounts[user], self._records[id] = account, record
        return Grant(id=id, user=user, allowance=allowance, reserved=cost)

    async def beat(self, grant: Grant, slot_ttl: float) -> bool:
        """Renew the lease. Returns False when it has ended."""
        now = self._clock()
        account, record = self._account(grant.user, now), self._record(grant, now)
        return record is not None and ledger.beat(account, record, grant.id, grant.allowance, slot_ttl, now)

    async def settle(self, grant: Grant, used: Cost) -> Balance:
        """Count `used` in place of what the grant has counted so far, up to `KEEP` seconds after its end."""
        now = self._clock()
        account, record = self._account(grant.user, now), self._record(grant, now)
        if record is not None:
            self._accounts[grant.user] = account
        return ledger.settle(account, record, grant.allowance, used, now)

    async def release(self, grant: Grant) -> None:
        """Give the place back."""
        self._account(grant.user, self._clock()).leases.pop(grant.id, None)

    async def standing(self, user: str, allowance: Allowance) -> Standing:
        """Return what `user` has used."""
        now = self._clock()
        return ledger.standing(user, self._account(user, now), allowance, now)

    async def users(self) -> list[str]:
        """Return at most 1 000 users of whom something counts."""
        now = self._clock()
        return list(islice((user for user, account in self._accounts.items() if account.until > now), 1000))

    async def revoke(self, kind: Revocation, value: str, until: float, before: float | None = None) -> None:
        """Revoke until `until`; a later call with the same `kind` and `value` replaces this one."""
        now = self._clock()
        _sweep(self._revoked, now)
        self._revoked[f"{kind}:{value}"] = revocation(kind, until, before)

    async def revoked(self, principal: Principal) -> bool:
        """Return whether the credential of `principal` is revoked."""
        now = self._clock()
        found = (self._revoked.get(f"{kind}:{value}") for kind, value in kinds(principal))
        return any(each is not None and each.covers(principal, now) for each in found)

    async def aclose(self) -> None:
        """Do nothing."""

    def _account(self, user: str, now: float) -> Account:
        account = self._accounts.get(user)
        return account if account is not None and account.until > now else Account()

    def _record(self, grant: Grant, now: float) -> Record | None:
        record = self._records.get(grant.id)
        return record if record is not None and record.until > now else None
