"""The end of a client: what waits within it wakes up, and says why.

There is no lock, so that an interrupt and the garbage collector can come between any two lines. A waiter is noted
before it looks whether the client is closed, and `close` says so before it looks for waiters: one sees the other.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, final

import anyio

from ..clock import Clock, SystemClock
from ..transport import closed


@final
class Closing:
    """Whether a client is closed. Its waits end when it is."""

    __slots__ = ("_wakes", "closed")

    def __init__(self) -> None:
        self.closed = False
        self._wakes: dict[object, Callable[[], object]] = {}

    def close(self) -> None:
        """End all waits, in whatever threads and event loops they are."""
        self.closed = True
        for wake in list(self._wakes.values()):
            with suppress(RuntimeError):  # it has woken up already, or its event loop is over
                wake()

    def sleep(self, clock: Clock, seconds: float) -> None:
        """Block the thread for `seconds`. Raises NetworkError as soon as the client is closed."""
        if isinstance(clock, SystemClock):
            gate = threading.Lock()  # acquired and released in one call into C each
            gate.acquire()
            self._wakes[gate] = gate.release
            try:
                if not self.closed:
                    gate.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
            finally:
                self._wakes.pop(gate, None)
        else:
            clock.sleep(seconds)
        if self.closed:
            raise closed()

    async def asleep(self, clock: Clock, seconds: float) -> None:
        """Let other tasks run for `seconds`. Raises NetworkError as soon as the client is closed."""
        scope = anyio.CancelScope()
        call = _caller()
        self._wakes[scope] = lambda: call(scope.cancel)
        try:
            if not self.closed:
                await _within(scope, clock.asleep, seconds)
        finally:
            self._wakes.pop(scope, None)
        if self.closed:
            raise closed()


async def _within(scope: anyio.CancelScope, asleep: Callable[[float], Any], seconds: float) -> None:
    """Sleep within `scope`."""
    scope.__enter__()
    try:
        await asleep(seconds)
    except GeneratorExit:
        # The coroutine is being closed, perhaps outside of any task, where no scope can be left.
        with suppress(Exception):
            scope.__exit__(None, None, None)
        raise
    except BaseException as error:
        if not scope.__exit__(type(error), error, error.__traceback__):
            raise
    else:
        scope.__exit__(None, None, None)


def _caller() -> Callable[[Callable[[], object]], object]:
    """Return what has a function called in the running event loop, from any thread."""
    trio: Any = sys.modules.get("trio")  # a task of trio's has imported it already
    if trio is not None and trio.lowlevel.in_trio_task():
        run_soon: Callable[[Callable[[], object]], object] = trio.lowlevel.current_trio_token().run_sync_soon
        return run_soon
    import asyncio  # the event loop has imported it already, a program without one never does

    return asyncio.get_running_loop().call_soon_threadsafe
