"""The file of the audit, as one thread uses it."""

import contextlib
import json
import secrets
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from ..files import create_private, patiently
from . import sql
from .rows import AuditRow, encode, read, subjects

BUSY_SECONDS: Final = 1.0
"""The longest wait for the lock of the file, which other workers hold for less than a millisecond."""
MOST_IN_MEMORY: Final = 10_000
"""The calls that are kept when there is no file."""


class Reader:
    """Reads rows. Raises sqlite3.Error where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self._connection = _connect(f"{path.absolute().as_uri()}?mode=ro")

    def tail(self, limit: int) -> list[AuditRow]:
        """Return the newest rows, the newest first."""
        return self._rows(sql.TAIL, {"limit": limit})

    def show(self, id: str, limit: int = 20) -> list[AuditRow]:
        """Return the rows of a request id of ours; without one, those where it is the id of a client or an upstream."""
        found = self._rows(sql.SHOW, {"id": id, "limit": limit})
        return found or self._rows(sql.SHOW_FOREIGN, {"id": id, "limit": limit})

    def by_user(self, name: str, limit: int) -> list[AuditRow]:
        """Return the newest rows of a user, named as `Principal.user` or as `Principal.id`."""
        names = json.dumps(subjects(name))
        return self._rows(sql.BY_USER, {"name": name, "subjects": names, "limit": limit})

    def _rows(self, statement: str, parameters: dict[str, Any]) -> list[AuditRow]:
        return [read(row) for row in self._connection.execute(statement, parameters)]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Store(Reader):
    """Writes rows, too, in a file or without one in memory. Raises sqlite3.Error or OSError."""

    def __init__(self, path: Path | None) -> None:
        self.worker = secrets.token_hex(8)
        self._path = path
        self._life: sqlite3.Connection | None = None
        """Holds the lock that says that this worker lives."""
        if path is not None:
            create_private(path)
        self._connection = _connect(":memory:" if path is None else path.absolute().as_uri())
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        patiently(lambda: run("PRAGMA journal_mode = WAL"))
        run("PRAGMA synchronous = NORMAL")
        version = run("PRAGMA user_version").fetchone()[0]
        if version not in (0, sql.VERSION):
            raise sqlite3.DatabaseError(f"its tables are of version {version}, not {sql.VERSION}")
        patiently(lambda: self._connection.executescript(sql.SCHEMA))
        if self._path is not None:
            self._life = _hold(self._place(self._path, self.worker))
            patiently(lambda: run(sql.JOIN, {"worker": self.worker}))

    def write(self, starts: Sequence[dict[str, Any]], ends: Sequence[dict[str, Any]]) -> None:
        """Write all rows in one transaction. They are safe from a ``kill -9`` when it returns."""
        run = self._connection.execute
        if not ends:  # a statement is a transaction, and a commit of its own would cost a switch of threads
            run(sql.START, {"worker": self.worker, "rows": encode(starts)})
            return
        run("BEGIN IMMEDIATE")
        try:
            if starts:
                run(sql.START, {"worker": self.worker, "rows": encode(starts)})
            self._end(ends)
            run("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                run("ROLLBACK")
            raise

    def _end(self, ends: Sequence[dict[str, Any]]) -> None:
        run = self._connection.execute
        ended = {"worker": self.worker, "rows": encode(ends)}
        if run(sql.END, ended).rowcount < len(ends) and run(sql.ADOPT, ended).rowcount:
            run(sql.END, ended)
        if self._path is None:
            run(sql.TRIM, {"most": MOST_IN_MEMORY})

    def bury(self, now: float) -> int:
        """End the open rows of workers that have died as ``lost``. Returns how many there were."""
        if self._path is None:
            return 0
        others = self._connection.execute(sql.OTHERS, {"worker": self.worker}).fetchall()
        return sum(self._bury(other, self._place(self._path, other), now) for (other,) in others)

    def _bury(self, worker: str, place: Path, now: float) -> int:
        try:
            probe = _hold(place)
        except sqlite3.OperationalError:  # locked, so its process lives
            return 0
        lost = self._connection.execute(sql.LOSE, {"worker": worker, "now": now}).rowcount
        self._connection.execute(sql.LEAVE, {"worker": worker})
        probe.close()
        place.unlink(missing_ok=True)
        return lost

    def close(self) -> None:
        """Close the file. Rows that are open stay so, until another worker ends them as ``lost``."""
        if self._life is not None and self._path is not None:
            with contextlib.suppress(sqlite3.Error):
                me = {"worker": self.worker}
                if not self._connection.execute(sql.OPEN, me).fetchone()[0]:
                    self._connection.execute(sql.LEAVE, me)
                    self._place(self._path, self.worker).unlink(missing_ok=True)
            self._life.close()
        super().close()

    @staticmethod
    def _place(path: Path, worker: str) -> Path:
        return path.with_name(f"{path.name}-{worker}")


def _connect(where: str, *, seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    connection = sqlite3.connect(where, uri=True, timeout=seconds, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def _hold(place: Path) -> sqlite3.Connection:
    """Take the lock of a worker, which the system gives back when its process dies. Raises OperationalError."""
    create_private(place)
    connection = _connect(place.absolute().as_uri(), seconds=0)
    try:
        connection.execute("PRAGMA journal_mode = MEMORY")  # no file of its own
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
