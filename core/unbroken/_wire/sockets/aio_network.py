"""An asyncio event loop: waiting in it, and connecting."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast, final

from . import CLOSED_HERE, Attempt, Socket
from .aio import AsyncioSocket, limit


@final
class AsyncioGate:
    """A gate of one task."""

    __slots__ = ("_future", "_loop", "_thread")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._future: asyncio.Future[None] = loop.create_future()

    async def wait(self, deadline: float | None) -> None:
        """Return when the gate is open. Raises builtin TimeoutError at `deadline`."""
        async with limit(deadline):
            await self._future

    def release(self) -> None:
        """Let the waiter through."""
        if threading.get_ident() == self._thread:
            self._set()
        else:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._set)

    abort = release

    def _set(self) -> None:
        if not self._future.done():
            with suppress(RuntimeError):  # the loop is closed
                self._future.set_result(None)


@final
class AsyncioAttempt:
    """A socket that is being connected."""

    __slots__ = ("_loop", "_task", "_thread", "raw")

    def __init__(self, loop: asyncio.AbstractEventLoop, raw: socket.socket, address: Any) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self.raw = raw
        raw.setblocking(False)
        self._task = loop.create_task(_connect(loop, raw, address))

    @property
    def task(self) -> "asyncio.Task[OSError | None]":
        """The task that connects."""
        return self._task

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._task.done()

    @property
    def error(self) -> OSError | None:
        """What was wrong."""
        if self._task.cancelled():
            return ConnectionAbortedError(CLOSED_HERE)
        return self._task.result()

    def abort(self) -> None:
        """Make it fail."""
        if threading.get_ident() == self._thread:
            self._task.cancel()
        else:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._task.cancel)

    def abandon(self) -> None:
        """Close the socket, once the loop does not look at it any more."""
        if self._task.done():
            self.raw.close()
        else:
            self._task.cancel()
            self._task.add_done_callback(lambda _: self.raw.close())


async def _connect(loop: asyncio.AbstractEventLoop, raw: socket.socket, address: Any) -> OSError | None:
    try:
        await loop.sock_connect(raw, address)
    except OSError as error:
        return error
    return None


@final
class AsyncioNetwork:
    """An asyncio event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def gate(self) -> AsyncioGate:
        """Return a new gate."""
        return AsyncioGate(self._loop)

    def begin(self, raw: socket.socket, address: Any) -> Attempt:
        """Begin to connect."""
        return cast(Attempt, AsyncioAttempt(self._loop, raw, address))

    async def wait(self, attempts: Sequence[Attempt], until: float | None) -> None:
        """Return when one of `attempts` is done, or at `until`."""
        tasks = [cast(AsyncioAttempt, attempt).task for attempt in attempts]
        left = None if until is None else max(until - time.monotonic(), 0)
        await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)

    async def adopt(self, attempt: Attempt) -> Socket:
        """Return the socket of an attempt that has succeeded."""
        made = AsyncioSocket(self._loop, attempt.raw)
        await self._loop.create_connection(lambda: made, sock=attempt.raw)
        return made

    def call(self, function: Callable[[], object]) -> None:
        """Call `function` in the loop. Raises RuntimeError when the loop is closed."""
        self._loop.call_soon_threadsafe(function)

    def is_over(self) -> bool:
        """Whether the loop is closed."""
        return self._loop.is_closed()
