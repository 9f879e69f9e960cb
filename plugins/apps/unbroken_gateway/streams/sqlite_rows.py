"""The tables of the logs in SQLite, and what is asked of them. Each function is a part of a transaction."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import define

from ..files import patiently
from . import StreamState

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS streams (
    id TEXT PRIMARY KEY, owner TEXT, epoch INTEGER, state TEXT, first INTEGER, last INTEGER, size INTEGER,
    ttl REAL, lease REAL, leased REAL, expires REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS streams_by_end ON streams (expires);
CREATE TABLE IF NOT EXISTS frames (id TEXT, seq INTEGER, data BLOB, PRIMARY KEY (id, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS readers (id TEXT, reader TEXT, until REAL, PRIMARY KEY (id, reader)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (id TEXT, mark TEXT, place INTEGER, PRIMARY KEY (id, mark)) WITHOUT ROWID;
"""


@define(eq=False)
class Row:
    """A log without its frames."""

    id: str
    owner: str
    epoch: int
    state: StreamState
    first: int
    last: int
    size: int
    ttl: float
    lease: float
    leased: float


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables. Processes that start together wait for each other."""
    patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")
    patiently(lambda: connection.executescript(_TABLES))


def find(connection: sqlite3.Connection, id: str, now: float) -> Row | None:
    """Return the log `id` unless it has expired."""
    found = connection.execute(
        "SELECT id, owner, epoch, state, first, last, size, ttl, lease, leased FROM streams"
        " WHERE id = ? AND expires > ?",
        (id, now),
    ).fetchone()
    return None if found is None else Row(*found)


def insert(connection: sqlite3.Connection, id: str, owner: str, ttl: float, lease: float, now: float) -> None:
    """Add an empty log."""
    connection.execute(
        "INSERT INTO streams VALUES (?, ?, 1, 'open', 1, 0, 0, ?, ?, ?, ?)",
        (id, owner, ttl, lease, now + lease, now + ttl),
    )


def save(connection: sqlite3.Connection, log: Row, now: float) -> None:
    """Write what has changed in a log, and renew its lease and its time to live."""
    connection.execute(
        "UPDATE streams SET epoch = ?, state = ?, first = ?, last = ?, size = ?, leased = ?, expires = ? WHERE id = ?",
        (log.epoch, log.state, log.first, log.last, log.size, now + log.lease, now + log.ttl, log.id),
    )


def add(connection: sqlite3.Connection, log: Row, frames: Sequence[bytes]) -> None:
    """Append frames to a log; `save` it afterwards."""
    numbered = [(log.id, number, frame) for number, frame in enumerate(frames, log.last + 1)]
    connection.executemany("INSERT INTO frames VALUES (?, ?, ?)", numbered)
    log.last += len(frames)
    log.size += sum(map(len, frames))


def sizes(connection: sqlite3.Connection, id: str) -> Iterator[int]:
    """Return the sizes of the frames of a log in bytes, the oldest first."""
    asked = connection.execute("SELECT length(data) FROM frames WHERE id = ? ORDER BY seq", (id,))
    return (size for (size,) in asked)


def trim(connection: sqlite3.Connection, log: Row, count: int) -> None:
    """Remove the oldest `count` frames; `save` the log afterwards."""
    log.first += count
    asked = "DELETE FROM frames WHERE id = ? AND seq < ? RETURNING length(data)"
    log.size -= sum(size for (size,) in connection.execute(asked, (log.id, log.first)))


def frames(connection: sqlite3.Connection, id: str, after: int, limit: int) -> tuple[bytes, ...]:
    """Return at most `limit` frames after number `after`."""
    asked = "SELECT data FROM frames WHERE id = ? AND seq > ? ORDER BY seq LIMIT ?"
    return tuple(data for (data,) in connection.execute(asked, (id, after, limit)))


def has_news(connection: sqlite3.Connection, id: str, after: int) -> bool:
    """Return whether a log is not open, not there or has frames after number `after`."""
    found = connection.execute("SELECT last FROM streams WHERE id = ? AND state = 'open'", (id,)).fetchone()
    return found is None or found[0] > after


def readers(connection: sqlite3.Connection, id: str, now: float) -> set[str]:
    """Return the readers of a log."""
    return {name for (name,) in connection.execute("SELECT reader FROM readers WHERE id = ? AND until > ?", (id, now))}


def attend(connection: sqlite3.Connection, id: str, reader: str, until: float, now: float) -> None:
    """Count a reader until a time, and forget those whose time is over."""
    connection.execute("DELETE FROM readers WHERE id = ? AND until <= ?", (id, now))
    connection.execute("INSERT OR REPLACE INTO readers VALUES (?, ?, ?)", (id, reader, until))


def advance(connection: sqlite3.Connection, id: str, mark: str, to: int) -> int:
    """Move a mark forward, and return where it stands."""
    row = connection.execute(
        "INSERT INTO marks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET place = max(place, excluded.place)"
        " RETURNING place",
        (id, mark, to),
    ).fetchone()
    place: int = row[0]
    return place


def remove(connection: sqlite3.Connection, id: str) -> None:
    """Remove all of a log."""
    for table in ("frames", "readers", "marks", "streams"):
        connection.execute(f"DELETE FROM {table} WHERE id = ?", (id,))  # noqa: S608 (the names are those above)


def purge(connection: sqlite3.Connection, now: float) -> bool:
    """Remove the logs that have expired. Returns whether there were any."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        expired = [id for (id,) in connection.execute("SELECT id FROM streams WHERE expires <= ?", (now,))]
        for id in expired:
            remove(connection, id)
    return bool(expired)
