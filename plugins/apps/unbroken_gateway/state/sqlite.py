"""The state of the workers of one machine, in one SQLite file. The time is that of the machine."""

import secrets
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from attrs import define, field

from unbroken.errors import ConfigurationError

from ..values import Allowance, Balance, Cost, Denied, Grant, Principal, Standing
from . import DEADLINE, Revocation, ledger
from .ledger import Account, Record
from .revocations import Answers, Revoked, kinds, revocation
from .writer import Writer, connect

T = TypeVar("T", Account, Record)

SWEEP: Final = 64
"""Reservations between two removals of rows that no longer count."""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS state_accounts (id TEXT PRIMARY KEY, body BLOB NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS state_grants (id TEXT PRIMARY KEY, body BLOB NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS state_revocations (id TEXT PRIMARY KEY, until REAL NOT NULL, before REAL);
CREATE INDEX IF NOT EXISTS state_accounts_until ON state_accounts (until);
CREATE INDEX IF NOT EXISTS state_grants_until ON state_grants (until);
"""


def _load(connection: sqlite3.Connection, table: str, id: str, kind: type[T], now: float) -> T | None:
    query = f"SELECT body FROM state_{table} WHERE id = ? AND until > ?"  # noqa: S608 - the tables are ours
    row = connection.execute(query, (id, now)).fetchone()
    return None if row is None else msgspec.msgpack.decode(row[0], type=kind)


def _save(connection: sqlite3.Connection, table: str, id: str, value: Account | Record) -> None:
    query = f"INSERT OR REPLACE INTO state_{table} VALUES (?, ?, ?)"  # noqa: S608
    connection.execute(query, (id, msgspec.msgpack.encode(value), value.until))


def _sweep(connection: sqlite3.Connection, now: float) -> None:
    for table in ("accounts", "grants", "revocations"):
        of = f"state_{table} WHERE"
        some = f"SELECT rowid FROM {of} until <= ? LIMIT {4 * SWEEP}"  # noqa: S608
        connection.execute(f"DELETE FROM {of} rowid IN ({some})", (now,))  # noqa: S608


@define(eq=False)
class SQLiteState:
    """Implements `State` for several processes. Raises ConfigurationError when the file cannot be used."""

    path: str | Path
    _clock: Callable[[], float] = time.time
    deadline: float = DEADLINE
    """Seconds that an operation may take."""
    _writer: Writer = field(init=False)
    _answers: Answers = field(factory=Answers, init=False)
    _reservations: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        try:
            self._writer = Writer(connect(self.path, SCHEMA, self.deadline), self.deadline)
        except sqlite3.Error as error:
            raise ConfigurationError(f"state: the SQLite file {str(self.path)!r} cannot be used: {error}") from None

    async def reserve(self, user: str, allowance: Allowance, cost: Cost, slot_ttl: float) -> Grant | Denied:
        """Reserve a place, requests, tokens and money, or return the denial that lasts longest."""
        grant = Grant(id=secrets.token_urlsafe(16), user=user, allowance=allowance, reserved=cost)

        def work(connection: sqlite3.Connection) -> Grant | Denied:
            now = self._clock()
            if self._reservations % SWEEP == 0:
                _sweep(connection, now)
            self._reservations += 1
            account = _load(connection, "accounts", user, Account, now) or Account()
            record = ledger.reserve(account, grant.id, allowance, cost, slot_ttl, now)
            if isinstance(record, Denied):
                return record
            _save(connection, "accounts", user, account)
            _save(connection, "grants", grant.id, record)
            return grant

        return await self._writer.run(work, undo=self._undo)

    async def beat(self, grant: Grant, slot_ttl: float) -> bool:
        """Renew the lease. Returns False when it has ended."""

        def work(connection: sqlite3.Connection) -> bool:
            now = self._clock()
            account, record = self._books(connection, grant, now)
            if record is None or not ledger.beat(account, record, grant.id, grant.allowance, slot_ttl, now):
                return False
            self._keep(connection, grant, account, record)
            return True

        return await self._writer.run(work)

    async def settle(self, grant: Grant, used: Cost) -> Balance:
        """Count `used` in place of what the grant has counted so far, up to `KEEP` seconds after its end."""
        return await self._writer.run(lambda connection: self._settle(connection, grant, used))

    async def release(self, grant: Grant) -> None:
        """Give the place back."""
        await self._writer.run(lambda connection: self._release(connection, grant))

    async def standing(self, user: str, allowance: Allowance) -> Standing:
        """Return what `user` has used."""

        def work(connection: sqlite3.Connection) -> Standing:
            now = self._clock()
            account = _load(connection, "accounts", user, Account, now) or Account()
            return ledger.standing(user, account, allowance, now)

        return await self._writer.run(work, writes=False)

    async def users(self) -> list[str]:
        """Return at most 1 000 users of whom something counts."""
        query = "SELECT id FROM state_accounts WHERE until > ? LIMIT 1000"
        return await self._writer.run(
            lambda connection: [row[0] for row in connection.execute(query, (self._clock(),))], writes=False
        )

    async def revoke(self, kind: Revocation, value: str, until: float, before: float | None = None) -> None:
        """Revoke until `until`; a later call with the same `kind` and `value` replaces this one."""
        row = (f"{kind}:{value}", until, revocation(kind, until, before).before)
        query = "INSERT OR REPLACE INTO state_revocations VALUES (?, ?, ?)"
        await self._writer.run(lambda connection: connection.execute(query, row).rowcount)
        self._answers.clear()

    async def revoked(self, principal: Principal) -> bool:
        """Return whether the credential of `principal` is revoked, as of one second ago."""
        now = self._clock()
        answer = self._answers.get(principal, now)
        if answer is None:
            ids = [f"{kind}:{value}" for kind, value in kinds(principal)]
            query = f"SELECT until, before FROM state_revocations WHERE id IN ({','.join('?' * len(ids))})"  # noqa: S608
            rows = await self._writer.run(lambda connection: connection.execute(query, ids).fetchall(), writes=False)
            answer = any(Revoked(*row).covers(principal, now) for row in rows)
            self._answers.put(principal, now, answer)
        return answer

    async def aclose(self) -> None:
        """End the thread and close the file."""
        await self._writer.aclose()

    def _settle(self, connection: sqlite3.Connection, grant: Grant, used: Cost) -> Balance:
        now = self._clock()
        account, record = self._books(connection, grant, now)
        balance = ledger.settle(account, record, grant.allowance, used, now)
        if record is not None:
            self._keep(connection, grant, account, record)
        return balance

    def _release(self, connection: sqlite3.Connection, grant: Grant) -> None:
        account, _ = self._books(connection, grant, self._clock())
        if account.leases.pop(grant.id, None) is not None:
            _save(connection, "accounts", grant.user, account)

    def _undo(self, connection: sqlite3.Connection, granted: Grant | Denied) -> None:
        """Take back a reservation whose caller has left."""
        if isinstance(granted, Grant):
            self._settle(connection, granted, Cost(requests=0))
            self._release(connection, granted)

    @staticmethod
    def _books(connection: sqlite3.Connection, grant: Grant, now: float) -> tuple[Account, Record | None]:
        account = _load(connection, "accounts", grant.user, Account, now) or Account()
        return account, _load(connection, "grants", grant.id, Record, now)

    @staticmethod
    def _keep(connection: sqlite3.Connection, grant: Grant, account: Account, record: Record) -> None:
        _save(connection, "accounts", grant.user, account)
        _save(connection, "grants", grant.id, record)
