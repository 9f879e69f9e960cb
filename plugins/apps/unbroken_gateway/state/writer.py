"""One thread that works on one SQLite file for an event loop."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from attrs import define, field

from ..files import OPENING, create_private, patiently
from . import DEADLINE, StateUnavailable

T = TypeVar("T")
BATCH: Final = 64
"""The most operations of one transaction."""
CHECKPOINT: Final = 1000
"""Transactions after which the log is copied into the file, in a thread of its own because the disk may be slow."""


def connect(path: str | Path, schema: str, deadline: float = DEADLINE) -> sqlite3.Connection:
    """Open the file in WAL mode and create what is missing of `schema`. Raises sqlite3.Error."""
    with contextlib.suppress(OSError):  # sqlite3 says what is wrong with the path
        create_private(Path(path))
    connection = sqlite3.connect(path, timeout=OPENING, isolation_level=None, check_same_thread=False)
    try:
        patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        patiently(lambda: connection.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;"))
        connection.execute(f"PRAGMA busy_timeout = {int(deadline * 1000)}")
    except BaseException:
        connection.close()
        raise
    return connection


def _checkpoint(path: str) -> None:
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


@define(eq=False)
class _Job(Generic[T]):
    work: Callable[[sqlite3.Connection], T]
    future: "asyncio.Future[T]"
    writes: bool
    undo: Callable[[sqlite3.Connection, T], object] | None
    result: T | None = None


@define(eq=False)
class Writer:
    """Runs operations in transactions, many in one when many are waiting.

    An operation whose caller has given up is left out, or undone if it was committed in the same moment.
    """

    _connection: sqlite3.Connection
    _deadline: float = DEADLINE
    _jobs: "queue.SimpleQueue[_Job[Any] | None]" = field(factory=queue.SimpleQueue["_Job[Any] | None"], init=False)
    _thread: threading.Thread = field(init=False)
    _closed: bool = field(default=False, init=False)
    _transactions: int = field(default=0, init=False)
    _copying: threading.Thread | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = threading.Thread(target=self._serve, name="unbroken-state", daemon=True)
        self._thread.start()

    async def run(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        writes: bool = True,
        undo: Callable[[sqlite3.Connection, T], object] | None = None,
    ) -> T:
        """Return what `work` returns. Raises StateUnavailable after the deadline, and when SQLite fails."""
        if self._closed:
            raise StateUnavailable("the state is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        job = _Job(work, future, writes, undo)
        self._jobs.put(job)
        try:
            async with asyncio.timeout(self._deadline):
                return await future
        except TimeoutError:
            if future.cancelled():
                raise StateUnavailable("SQLite: no answer in time") from None
            return future.result()  # it came in the same turn of the loop
        except asyncio.CancelledError:
            if not future.cancelled() and future.exception() is None:
                self._take_back(job, future.result())
            raise

    async def aclose(self) -> None:
        """Finish what is waiting and end the thread."""
        if not self._closed:
            self._closed = True
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._jobs.put(_Job(lambda connection: None, done, writes=False, undo=None))
            await asyncio.wait([done])  # what must be undone is known when the answers before this one are
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        last = False
        while not last:
            batch, last = self._take()
            batch = [job for job in batch if not job.future.cancelled()]
            if batch:
                self._perform(batch)
                self._copy()
        if self._copying is not None:
            self._copying.join()
        self._connection.close()

    def _take(self) -> "tuple[list[_Job[Any]], bool]":
        """Return the operations that wait, at least one, and whether they are the last."""
        batch: list[_Job[Any]] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == BATCH or self._jobs.empty():
                return batch, False
            job = self._jobs.get()
        return batch, True

    def _copy(self) -> None:
        """Copy the log into the file now and then. A passive checkpoint makes no writer wait."""
        self._transactions += 1
        if self._transactions % CHECKPOINT == 0 and (self._copying is None or not self._copying.is_alive()):
            path = self._connection.execute("PRAGMA database_list").fetchone()[2]
            copying = threading.Thread(target=_checkpoint, args=(path,), name="unbroken-checkpoint", daemon=True)
            copying.start()
            self._copying = copying

    def _perform(self, batch: list[_Job[Any]]) -> None:
        error: Exception | None = None
        try:
            self._transact(batch)
        except sqlite3.Error as failure:
            error = StateUnavailable(f"SQLite: {failure}")
        except Exception as failure:  # noqa: BLE001 - a bug is told to the callers, and the thread lives on
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nothing waits any longer
            batch[0].future.get_loop().call_soon_threadsafe(self._deliver, batch, error)

    def _transact(self, batch: list[_Job[Any]]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE" if any(job.writes for job in batch) else "BEGIN")
        try:
            for job in batch:
                if not job.future.cancelled():  # while the lock was waited for
                    job.result = job.work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite may have ended it
                connection.execute("ROLLBACK")
            raise

    def _deliver(self, batch: list[_Job[Any]], error: Exception | None) -> None:
        for job in batch:
            if not job.future.done():
                if error is None:
                    job.future.set_result(job.result)
                else:
                    job.future.set_exception(error)
            elif error is None:
                self._take_back(job, job.result)

    def _take_back(self, job: _Job[Any], result: Any) -> None:
        """Undo what was committed for a caller that has left."""
        if job.undo is not None and result is not None:
            self._jobs.put(_undoing(job.future.get_loop(), job.undo, result))


def _undoing(
    loop: asyncio.AbstractEventLoop, undo: Callable[[sqlite3.Connection, Any], object], result: Any
) -> _Job[Any]:
    """Return the operation that undoes one with this `result`."""
    future: asyncio.Future[Any] = loop.create_future()
    future.add_done_callback(lambda done: done.exception())  # there is nobody to tell
    return _Job(lambda connection: undo(connection, result), future, writes=True, undo=None)
