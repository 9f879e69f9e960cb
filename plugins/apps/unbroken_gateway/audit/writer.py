"""The thread that writes the audit. Rows that wait at the same time share one commit."""

import logging
import math
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Literal

import anyio
from attrs import define, field, frozen

from .store import Store

BURY_SECONDS: Final = 5.0
"""Between two looks for workers that have died, and two attempts to write what could not be written."""
MOST_WAITING: Final = 10_000
"""Rows that wait to be written, before further ones are refused or dropped."""

_log = logging.getLogger("unbroken")

RunSoon = Callable[[Callable[[], object]], object]


class AuditUnavailable(Exception):
    """A row could not be written. Its text is for the log, not for clients."""


@frozen(kw_only=True)
class AuditStatus:
    """What has become of the rows of this process, for metrics."""

    written: int
    """Starts and endings that are safe."""
    failures: int
    """Batches that could not be written."""
    dropped: int
    """Rows that were given up; each was logged."""
    lost: int
    """Rows of processes that died, which this one ended."""
    waiting: int
    """Rows that are not written yet."""


def caller() -> RunSoon:
    """Return what has a function called in the running event loop, from any thread."""
    trio: Any = sys.modules.get("trio")  # a task of trio's has imported it already
    if trio is not None and trio.lowlevel.in_trio_task():
        run_soon: RunSoon = trio.lowlevel.current_trio_token().run_sync_soon
        return run_soon
    import asyncio

    return asyncio.get_running_loop().call_soon_threadsafe


@define(eq=False)
class Job:
    """A row to write, or a question about the rows."""

    kind: Literal["start", "end", "ask"]
    row: dict[str, Any] = field(factory=dict[str, Any])
    ask: Callable[[Store], Any] | None = None
    keep: bool = True
    """Whether the row is tried again when it could not be written, and counted when it is given up."""
    run_soon: RunSoon = field(factory=caller)
    """Has a function called in the event loop of the task that waits."""
    done: anyio.Event = field(factory=anyio.Event)
    answer: Any = None
    error: Exception | None = None


class Writer:
    """Writes jobs until it is closed. `put` is called in any thread, and never waits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[Job] = deque()
        self._kept: deque[Job] = deque()
        """Rows that could not be written; only the thread uses it."""
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._closing = False
        self._looked = -math.inf
        """When it last looked for dead workers, in monotonic seconds."""
        self._written = self._failures = self._dropped = self._lost = 0
        self._thread = threading.Thread(target=self._run, name="unbroken-audit", daemon=True)
        self._thread.start()

    @property
    def status(self) -> AuditStatus:
        """The counts at this moment."""
        return AuditStatus(
            written=self._written,
            failures=self._failures,
            dropped=self._dropped,
            lost=self._lost,
            waiting=len(self._queue) + len(self._kept),
        )

    def put(self, job: Job) -> None:
        """Have a job done. Raises AuditUnavailable when too many wait, or after `close`."""
        with self._lock:
            if not self._closing and len(self._queue) + len(self._kept) < MOST_WAITING:
                self._queue.append(job)
                self._ready.set()
                return
        if job.keep:
            self._drop(1)
        raise AuditUnavailable("the audit is closed" if self._closing else f"{MOST_WAITING} rows wait to be written")

    def close(self) -> None:
        """Write what waits, and end. Blocks until it is done."""
        with self._lock:
            self._closing = True
        self._ready.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            closing = self._closing  # before the queue is looked at, so that nothing is put behind the last look
            if time.monotonic() - self._looked >= BURY_SECONDS:
                self._looked = time.monotonic()
                self._bury()
            self._work()
            if closing:
                break
            self._ready.wait(BURY_SECONDS)
            self._ready.clear()
        if self._kept:
            self._drop(len(self._kept))
        self._store.close()

    def _bury(self) -> None:
        try:
            self._lost += self._store.bury(time.time())
        except (sqlite3.Error, OSError, ValueError) as error:
            self._failed(error)

    def _work(self) -> None:
        """Do all jobs that wait, and try again what could not be written."""
        jobs = [self._queue.popleft() for _ in range(len(self._queue))]
        batch = [*self._kept, *(job for job in jobs if job.kind != "ask")]
        self._kept.clear()
        if batch:
            self._write(batch)
        for job in jobs:
            if job.ask is not None:
                try:
                    job.answer = job.ask(self._store)
                except Exception as error:  # noqa: BLE001  # the caller hears of it
                    job.error = error
        _wake(jobs)

    def _write(self, batch: list[Job]) -> None:
        try:
            self._store.write(*([job.row for job in batch if job.kind == kind] for kind in ("start", "end")))
            self._written += len(batch)
        except (sqlite3.OperationalError, OSError) as error:  # the file cannot be written now
            self._failed(error)
            for job in batch:
                job.error = error
            self._kept.extend(job for job in batch if job.keep)
        except Exception as error:  # noqa: BLE001  # a row can never be written, and must not take others with it
            if len(batch) > 1:
                for job in batch:
                    self._write([job])
                return
            batch[0].error = error
            self._failed(error)
            self._drop(1)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        _log.error("audit: %s: %s", type(error).__name__, error)

    def _drop(self, rows: int) -> None:
        self._dropped += rows
        _log.error("audit: %d row(s) could not be written and are given up", rows)


def _wake(jobs: Iterable[Job]) -> None:
    """Tell the tasks, with one wake-up per event loop."""
    loops: dict[RunSoon, list[anyio.Event]] = {}
    for job in jobs:
        loops.setdefault(job.run_soon, []).append(job.done)
    for run_soon, events in loops.items():
        try:
            run_soon(partial(_set, events))
        except RuntimeError:  # its event loop is over
            continue


def _set(events: list[anyio.Event]) -> None:
    for event in events:
        event.set()
