"""The one thread of a worker that uses its SQLite connection. It commits all that waits in one transaction."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from attrs import define

from . import Fenced, LogUnavailable

T = TypeVar("T")

MOST: Final = 64
"""Operations in one transaction."""


@define(eq=False, kw_only=True)
class _Job:
    run: Callable[[sqlite3.Connection], Any]
    writes: bool
    then: Callable[[], None]
    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    outcome: Any = None
    failure: Exception | None = None

    def deliver(self) -> None:
        """Answer in the event loop. Others hear of a change even if the task that made it waits no more."""
        if self.failure is None:
            self.then()
        if self.answer.done():
            return
        if self.failure is None:
            self.answer.set_result(self.outcome)
        else:
            self.answer.set_exception(self.failure)


class SQLiteThread:
    """Runs functions on `connection`, which nothing else uses from now on.

    `idle` is called outside transactions after each commit, and when nothing has come for `pause()` seconds.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        deadline: float,
        idle: Callable[[sqlite3.Connection], None],
        pause: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._deadline = deadline
        self._idle = idle
        self._pause = pause
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="unbroken-streams", daemon=True)
        self._thread.start()

    async def do(
        self, run: Callable[[sqlite3.Connection], T], *, writes: bool = True, then: Callable[[], None] = lambda: None
    ) -> T:
        """Run a function in a transaction and return its result; then call `then` in the event loop.

        The function may raise Fenced and ValueError before it changes anything. Raises LogUnavailable.
        """
        loop = asyncio.get_running_loop()
        job = _Job(run=run, writes=writes, then=then, answer=loop.create_future(), loop=loop)
        if not self._thread.is_alive():
            raise LogUnavailable("the log is closed")
        self._jobs.put(job)
        try:
            async with asyncio.timeout(self._deadline):
                result: T = await job.answer
                return result
        except TimeoutError:
            raise LogUnavailable("SQLite did not answer in time") from None

    async def aclose(self) -> None:
        """Finish what waits, end the thread and close the connection."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        with contextlib.closing(self._connection):
            while (jobs := self._collect()) is not None:
                self._perform(jobs)
                with contextlib.suppress(sqlite3.Error):  # what it wants to do is tried again the next time
                    self._idle(self._connection)
                for job in jobs:
                    with contextlib.suppress(RuntimeError):  # the loop has been closed
                        job.loop.call_soon_threadsafe(job.deliver)

    def _collect(self) -> list[_Job] | None:
        """Return the next operations, none after a pause; None at the end."""
        jobs: list[_Job] = []
        with contextlib.suppress(queue.Empty):
            job = self._jobs.get(timeout=self._pause())
            while job is not None:
                jobs.append(job)
                if len(jobs) == MOST:
                    return jobs
                job = self._jobs.get_nowait()
            if not jobs:
                return None
            self._jobs.put(None)
        return jobs

    def _perform(self, jobs: list[_Job]) -> None:
        jobs = [job for job in jobs if not job.answer.done()]  # done: the caller has stopped waiting
        if not jobs:
            return
        connection = self._connection
        try:
            with connection:  # commits at its end, or rolls back
                connection.execute("BEGIN IMMEDIATE" if any(job.writes for job in jobs) else "BEGIN")
                for job in jobs:
                    try:
                        job.outcome = job.run(connection)
                    except (Fenced, ValueError) as failure:
                        job.failure = failure
        except sqlite3.Error:
            for job in jobs:
                job.failure = LogUnavailable("SQLite failed or was busy")
