"""A signal that ends the wait of a call early, from any thread or task.

There is no lock, so that an interrupt and the garbage collector can come between any two lines. A waiter is noted
before it looks whether the signal is set, and `set` says so before it looks for waiters: one sees the other.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import final


@final
class Signal:
    """Ends the waits of calls: ``Wait(30.0, until=signal)``, then ``signal.set()`` in any thread or task."""

    __slots__ = ("_wakes", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        """Whether `set` was called. It stays so."""
        self._wakes: dict[object, Callable[[], object]] = {}

    def set(self) -> None:
        """End all waits, in whatever threads and event loops they are, and those that begin later."""
        self.is_set = True
        for wake in list(self._wakes.values()):
            with suppress(RuntimeError):  # it has woken up already, or its event loop is over
                wake()

    def note(self, waiter: object, wake: Callable[[], object]) -> None:
        """Call `wake` when the signal is set. For the drivers."""
        self._wakes[waiter] = wake

    def forget(self, waiter: object) -> None:
        """Undo `note`. For the drivers."""
        self._wakes.pop(waiter, None)
