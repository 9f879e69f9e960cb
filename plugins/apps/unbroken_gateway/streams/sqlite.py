"""The logs of several workers on one machine, in a SQLite file."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from unbroken.clock import Clock, SystemClock

from ..files import create_private
from . import DEADLINE, Fenced, Page, StreamState
from . import sqlite_rows as rows
from .rules import FIRST_EPOCH, accepts, surplus
from .sqlite_thread import SQLiteThread
from .waking import Bells, hear

POLL: Final = 0.02
"""Seconds between looks for what other processes have written, while a task waits for it."""
REST: Final = 1.0
"""Seconds between looks when no task waits."""
PURGE: Final = 30.0
"""Seconds between removals of what has expired."""


class SQLiteLog:
    """A `StreamLog` in the file `path`, of all processes that use it. Its times are those of the wall clock."""

    def __init__(
        self, path: str | Path, max_bytes: int, clock: Clock | None = None, deadline: float = DEADLINE
    ) -> None:
        """Open or create the file. Raises sqlite3.Error and OSError."""
        self._max_bytes = max_bytes
        self._clock = SystemClock() if clock is None else clock
        self._bells = Bells()
        self._watched: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._version = 0
        self._purge_at = self._clock.time() + PURGE
        self._scrub = False
        create_private(Path(path))  # the files beside it get the same mode
        connection = sqlite3.connect(path, timeout=deadline, isolation_level=None, check_same_thread=False)
        rows.prepare(connection)
        self._thread = SQLiteThread(connection, deadline, self._look, lambda: POLL if self._watched else REST)

    async def create(self, id: str, owner: str, ttl: float, lease: float) -> int:
        """Open a log of `owner` and return its epoch. Raises Fenced if there is one with this `id`."""

        def run(connection: sqlite3.Connection) -> int:
            now = self._clock.time()
            if rows.find(connection, id, now) is not None:
                raise Fenced
            rows.remove(connection, id)
            rows.insert(connection, id, owner, ttl, lease, now)
            return FIRST_EPOCH

        return await self._thread.do(run)

    async def append(
        self, id: str, epoch: int, seq: int, frames: Sequence[bytes], end: StreamState | None = None
    ) -> int:
        """Append frames, renew the lease, and with `end` close the log. Raises Fenced and ValueError."""

        def run(connection: sqlite3.Connection) -> int:
            log = rows.find(connection, id, self._clock.time())
            if log is None:
                raise Fenced
            fresh = accepts(log.state, log.epoch, log.last, epoch, seq, len(frames), end)
            if fresh:
                self._add(connection, log, frames)
                log.state = end or log.state
            if fresh or end is None:
                rows.save(connection, log, self._clock.time())
            return log.last

        return await self._thread.do(run, then=lambda: self._bells.ring(id))

    async def beat(self, id: str, epoch: int) -> bool:
        """Renew the lease. Returns False when the log is not open or is another writer's."""

        def run(connection: sqlite3.Connection) -> bool:
            now = self._clock.time()
            log = rows.find(connection, id, now)
            if log is None or log.epoch != epoch or log.state != "open":
                return False
            rows.save(connection, log, now)
            return True

        return await self._thread.do(run)

    async def read(self, id: str, after: int, limit: int = 256) -> Page | None:
        """Return the frames after number `after`, at most `limit`; None for an unknown log."""

        def run(connection: sqlite3.Connection) -> Page | None:
            now = self._clock.time()
            log = rows.find(connection, id, now)
            if log is None:
                return None
            return Page(
                frames=rows.frames(connection, id, after, limit),
                first=log.first,
                last=log.last,
                state=log.state,
                owner=log.owner,
                lease=log.state == "open" and now < log.leased,
                readers=len(rows.readers(connection, id, now)),
            )

        return await self._thread.do(run, writes=False)

    async def wait(self, id: str, after: int, seconds: float) -> None:
        """Return when there may be frames after `after` or a new state, at the latest after `seconds`."""

        def run(connection: sqlite3.Connection) -> bool:
            if rows.has_news(connection, id, after):
                return True
            self._watched[id] = min(after, self._watched.get(id, after))
            return False

        self._loop = asyncio.get_running_loop()
        try:
            with self._bells.listening(id) as news:
                if not await self._thread.do(run, writes=False):
                    await hear(news, seconds)
        finally:
            if not self._bells.awaited(id):
                self._watched.pop(id, None)

    async def bury(self, id: str, frame: bytes) -> int | None:
        """Close an open log without a lease: raise the epoch, append `frame`, state ``error``. None if it is not so."""
        return await self._close(id, frame, "error")

    async def cancel(self, id: str, frame: bytes) -> bool:
        """Close an open log at its reader's wish: raise the epoch, append `frame`, state ``cancelled``."""
        return await self._close(id, frame, "cancelled") is not None

    async def attend(self, id: str, reader: str, seconds: float, limit: int | None = None) -> bool:
        """Count `reader` among the readers of a log for `seconds`, if it is among the first `limit`."""

        def run(connection: sqlite3.Connection) -> bool:
            now = self._clock.time()
            if rows.find(connection, id, now) is None:
                return False
            present = rows.readers(connection, id, now)
            if reader not in present and limit is not None and len(present) >= limit:
                return False
            rows.attend(connection, id, reader, now + seconds, now)
            return True

        return await self._thread.do(run)

    async def advance(self, id: str, mark: str, to: int) -> int:
        """Move a named mark of a log forward to `to`, never back. Returns where it stands."""

        def run(connection: sqlite3.Connection) -> int:
            if rows.find(connection, id, self._clock.time()) is None:
                return to
            return rows.advance(connection, id, mark, to)

        return await self._thread.do(run)

    async def delete(self, id: str) -> None:
        """Remove a log and its content, also from the free pages of the file."""

        def run(connection: sqlite3.Connection) -> None:
            rows.remove(connection, id)
            self._scrub = True

        await self._thread.do(run, then=lambda: self._bells.ring(id))

    async def aclose(self) -> None:
        """Close the file and end the thread."""
        await self._thread.aclose()

    async def _close(self, id: str, frame: bytes, state: StreamState) -> int | None:
        def run(connection: sqlite3.Connection) -> int | None:
            now = self._clock.time()
            log = rows.find(connection, id, now)
            if log is None or log.state != "open" or (state == "error" and now < log.leased):
                return None
            self._add(connection, log, [frame])
            log.epoch, log.state = log.epoch + 1, state
            rows.save(connection, log, now)
            return log.last

        return await self._thread.do(run, then=lambda: self._bells.ring(id))

    def _add(self, connection: sqlite3.Connection, log: rows.Row, frames: Sequence[bytes]) -> None:
        rows.add(connection, log, frames)
        if log.size > self._max_bytes:
            rows.trim(connection, log, surplus(rows.sizes(connection, log.id), log.size - self._max_bytes))

    def _look(self, connection: sqlite3.Connection) -> None:
        """In the thread, outside transactions: notice what other processes wrote, remove what has expired."""
        version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            for id, after in list(self._watched.items()):
                if self._loop is not None and rows.has_news(connection, id, after):
                    with contextlib.suppress(RuntimeError):  # the loop has been closed
                        self._loop.call_soon_threadsafe(self._bells.ring, id)
        now = self._clock.time()
        if now >= self._purge_at:
            self._purge_at = now + PURGE
            self._scrub = rows.purge(connection, now) or self._scrub
        if self._scrub:  # the write-ahead log still has the content
            busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self._scrub = bool(busy)
