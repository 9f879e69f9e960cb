"""The record of every call, in two phases: who asked for what, before the upstream is called, and how it ended.

A row whose process died between the two gets the ending ``lost`` by another worker, or when the gateway starts again.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, Self

import anyio

from ..config.settings import AuditSettings
from ..values import AuditEnd, AuditStart
from .rows import AuditRow, of_end, of_start
from .store import Reader, Store
from .writer import AuditStatus, AuditUnavailable, Job, Writer

__all__ = ("Audit", "AuditRow", "AuditStatus", "AuditUnavailable", "Reader")

DEADLINE: Final = 2.0
"""Seconds after which a row that is not written counts as failed."""
_log = logging.getLogger("unbroken")


class Audit:
    """The audit of one process, in a SQLite file that several processes share, or with None in memory.

    Make it in the process that uses it: it starts a thread. With `on_failure` ``refuse``, `start` raises
    AuditUnavailable when a row cannot be written; with ``go-on`` the row is kept and tried again, and `status` counts
    it. Raises AuditUnavailable if the file cannot be opened.
    """

    def __init__(self, path: str | None = None, *, on_failure: Literal["refuse", "go-on"] = "refuse") -> None:
        self._refuse = on_failure == "refuse"
        try:
            self._writer = Writer(Store(None if path is None else Path(path)))
        except (sqlite3.Error, OSError) as error:
            raise AuditUnavailable(f"{path}: {error}") from error

    @classmethod
    def of(cls, settings: AuditSettings) -> Self:
        """Return the audit that the settings describe."""
        return cls(settings.path, on_failure=settings.on_failure)

    async def start(self, row: AuditStart) -> None:
        """Write the first phase; it is safe from a ``kill -9`` of this process when this returns.

        If this raises AuditUnavailable, the call must not be made, and `end` need not be called. If it is cancelled,
        `end` must be called.
        """
        try:
            await self._write(Job("start", of_start(row), keep=not self._refuse))
        except AuditUnavailable:
            if self._refuse:
                # It may have been written after the deadline.
                ending = AuditEnd(request_id=row.request_id, at=row.at, ending="failed", status=503, error="audit")
                with contextlib.suppress(AuditUnavailable):
                    self._writer.put(Job("end", of_end(ending, orphan=False), keep=False))
                raise

    async def end(self, row: AuditEnd) -> None:
        """Write the second phase. Never raises: a row that cannot be written is kept and tried again.

        The first ending of a call counts, but anything replaces ``lost``.
        """
        try:
            await self._write(Job("end", of_end(row)))
        except AuditUnavailable as error:
            _log.error("audit: the ending of %s is not written yet: %s", row.request_id, error)

    async def tail(self, limit: int = 50) -> list[AuditRow]:
        """Return the newest rows, the newest first. Raises AuditUnavailable, as do all questions."""
        return await self._ask(lambda store: store.tail(limit))

    async def show(self, id: str) -> list[AuditRow]:
        """Return the rows of a request id of ours; without one, those where it is the id of a client or an upstream."""
        return await self._ask(lambda store: store.show(id))

    async def by_user(self, name: str, limit: int = 50) -> list[AuditRow]:
        """Return the newest rows of a user, named as `Principal.user` or as `Principal.id`."""
        return await self._ask(lambda store: store.by_user(name, limit))

    @property
    def status(self) -> AuditStatus:
        """What has become of the rows of this process."""
        return self._writer.status

    async def aclose(self) -> None:
        """Write what waits and close the file. Rows without an ending become ``lost``."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._writer.close)

    async def _write(self, job: Job) -> None:
        self._writer.put(job)
        await self._done(job)

    async def _ask(self, ask: Callable[[Store], list[AuditRow]]) -> list[AuditRow]:
        job = Job("ask", ask=ask, keep=False)
        self._writer.put(job)
        await self._done(job)
        rows: list[AuditRow] = job.answer
        return rows

    async def _done(self, job: Job) -> None:
        with anyio.move_on_after(DEADLINE):
            await job.done.wait()
        if not job.done.is_set():
            raise AuditUnavailable(f"not written within {DEADLINE:g} s")
        if job.error is not None:
            raise AuditUnavailable(f"{type(job.error).__name__}: {job.error}") from job.error
