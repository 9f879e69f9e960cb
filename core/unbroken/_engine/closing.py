"""The end of a client: what waits within it wakes up, and says why.

Like a `Signal` it has no lock: a waiter is noted before it looks whether the client is closed, and `close` says so
before it looks for waiters.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, final

import anyio

from ..clock import Clock, SystemClock
from ..signals import Signal
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

    def sleep(self, clock: Clock, seconds: float, until: Signal | None = None) -> None:
        """Block the thread for `seconds`, or less if `until` is set. Raises NetworkError once the client is closed."""
        if isinstance(clock, SystemClock):
            gate = threading.Lock()  # acquired and released in one call into C each
            gate.acquire()
            self._note(gate, gate.release, until)
            try:
                if not self._is_over(until):
                    gate.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
            finally:
                self._forget(gate, until)
        elif until is None or not until.is_set:
            clock.sleep(seconds)
        if self.closed:
            raise closed()

    async def asleep(self, clock: Clock, seconds: float, until: Signal | None = None) -> None:
        """Suspend the task for `seconds`, or less if `until` is set. Raises NetworkError once the client is closed."""
        scope = anyio.CancelScope()
        call = _caller()

        def cancel() -> None:  # runs in the event loop, by when the wait may be over
            if scope in self._wakes:
                scope.cancel()

        self._note(scope, lambda: call(cancel), until)
        try:
            if not self._is_over(until):
                await _within(scope, clock.asleep, seconds)
        finally:
            self._forget(scope, until)
        if self.closed:
            raise closed()

    def _note(self, waiter: object, wake: Callable[[], object], until: Signal | None) -> None:
        self._wakes[waiter] = wake
        if until is not None:
            until.note(waiter, wake)

    def _forget(self, waiter: object, until: Signal | None) -> None:
        self._wakes.pop(waiter, None)
        if until is not None:
            until.forget(waiter)

    def _is_over(self, until: Signal | None) -> bool:
        return self.closed or (until is not None and until.is_set)


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
