"""Stored keys: 256 random bits each, kept only as HMAC-SHA256 with a pepper in a SQLite file.

The gateway reads the file, ``unbroken keys`` writes it. Whoever reads it gets no key, and without the pepper cannot
even test a guess.
"""

import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, final

from attrs import frozen

from unbroken import ConfigurationError
from unbroken.errors import Problem

from ..files import create_private

PREFIX: Final = "ubk_"
"""What stored keys begin with, so that scanners of secrets can find them."""
_RANDOM_BYTES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")  # RFC 6749 §3.3
_BUSY_SECONDS: Final = 1.0

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, name TEXT NOT NULL, plan TEXT NOT NULL, scopes TEXT NOT NULL,
    created REAL NOT NULL, expires REAL, revoked REAL
) STRICT;
CREATE INDEX IF NOT EXISTS keys_by_name ON keys (name);
CREATE TABLE IF NOT EXISTS pepper (digest BLOB NOT NULL) STRICT;
"""
_ALL: Final = "SELECT id, name, plan, scopes, created, expires, revoked FROM keys ORDER BY created, id"
_FIND: Final = "SELECT id, name, plan, scopes, created, expires, revoked, digest FROM keys WHERE digest = ?"
_REVOKE: Final = """
UPDATE keys SET revoked = ? WHERE revoked IS NULL AND (id = ? OR name = ?)
RETURNING id, name, plan, scopes, created, expires, revoked
"""


@frozen(kw_only=True)
class StoredKey:
    """What is known about a key; not the key."""

    id: str
    """Random, not secret; names the key in ``unbroken keys revoke``."""
    name: str
    """Whose key it is. Keys of one name share its limits."""
    plan: str
    scopes: tuple[str, ...] = ()
    created: float
    """Unix seconds."""
    expires: float | None = None
    """Unix seconds; None for a key without an end."""
    revoked: float | None = None
    """Unix seconds; None for a key in force."""

    def is_valid(self, now: float) -> bool:
        """Return whether the key is in force at `now`, in Unix seconds."""
        return self.revoked is None and (self.expires is None or now < self.expires)


@final
class KeyStore:
    """The file of stored keys. It is created with mode 0600. For one thread at a time.

    Without `pepper` keys can only be listed and revoked. Raises ConfigurationError for a file that is none, and for a
    pepper that is not the one of the file.
    """

    def __init__(self, path: str | Path, pepper: str | None) -> None:
        self._pepper = None if pepper is None else pepper.encode()
        self._path = Path(path)
        try:
            create_private(self._path)
            self._base = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise self._refused(f"cannot be opened: {type(error).__name__}") from None
        try:
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.executescript(_SCHEMA)
            self._check_pepper()
        except sqlite3.Error as error:
            self._base.close()
            raise self._refused(f"cannot be used: {type(error).__name__}") from None
        except ConfigurationError:
            self._base.close()
            raise

    def create(
        self, name: str, plan: str, *, scopes: Iterable[str] = (), expires: float | None = None, now: float
    ) -> tuple[str, StoredKey]:
        """Make a key and return it, this one time, with what is stored. Times are Unix seconds.

        Raises ConfigurationError for a name or a scope that cannot be used.
        """
        wanted = tuple(sorted(set(scopes)))
        if not _NAME.fullmatch(name):
            raise ConfigurationError.of(
                Problem("name", "must be 1 to 128 of A-Z, a-z, 0-9, . _ @ + - and begin with a letter or a digit")
            )
        if not all(_SCOPE.fullmatch(scope) for scope in wanted):
            raise ConfigurationError.of(Problem("scope", "must be printable ASCII without spaces and quotes"))
        key = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        digest = self._digest(key.encode())
        stored = StoredKey(id=secrets.token_hex(6), name=name, plan=plan, scopes=wanted, created=now, expires=expires)
        row = (stored.id, digest, name, plan, " ".join(wanted), now, expires)
        self._base.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", row)
        return key, stored

    def all(self) -> list[StoredKey]:
        """Return all keys, the oldest first."""
        return [_stored(row) for row in self._base.execute(_ALL)]

    def revoke(self, key: str, now: float) -> list[StoredKey]:
        """Revoke the keys in force of this id or name, and return them. The time is Unix seconds."""
        return [_stored(row) for row in self._base.execute(_REVOKE, (now, key, key)).fetchall()]

    def find(self, key: bytes) -> StoredKey | None:
        """Return what is stored of `key`, also if it is revoked or expired; None for an unknown key."""
        digest = self._digest(key)
        row = self._base.execute(_FIND, (digest,)).fetchone()
        if row is None or not hmac.compare_digest(row[-1], digest):
            return None
        return _stored(row)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def _digest(self, key: bytes) -> bytes:
        if self._pepper is None:
            raise self._refused("needs the pepper, UNBROKEN_GATEWAY_PEPPER")
        return hmac.digest(self._pepper, key, hashlib.sha256)

    def _check_pepper(self) -> None:
        """Note the pepper of a new file, by its digest; refuse another pepper, under which no key would be found."""
        if self._pepper is None:
            return
        digest = self._digest(b"pepper")
        self._base.execute("INSERT INTO pepper SELECT ? WHERE NOT EXISTS (SELECT 1 FROM pepper)", (digest,))
        (noted,) = self._base.execute("SELECT digest FROM pepper").fetchone()
        if not hmac.compare_digest(noted, digest):
            raise self._refused("was made with another pepper than UNBROKEN_GATEWAY_PEPPER")

    def _refused(self, message: str) -> ConfigurationError:
        return ConfigurationError.of(Problem("gateway.keys", f"{self._path} {message}"))


def _stored(row: tuple[Any, ...]) -> StoredKey:
    id, name, plan, scopes, created, expires, revoked = row[:7]
    return StoredKey(
        id=id,
        name=name,
        plan=plan,
        scopes=tuple(scopes.split()),
        created=created,
        expires=expires,
        revoked=revoked,
    )
