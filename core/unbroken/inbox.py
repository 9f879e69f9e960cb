"""Changes to a plugin's shared state, made one at a time, also by hooks that are entered again while they run.

The garbage collector can end an abandoned stream at any allocation, even while the same thread is inside a hook of the
same plugin. The `after_request` of that stream then runs *within* the other hook. With a plain lock it would wait for
its own thread, forever. An inbox offers two methods:

==================  ============================================  =========================================
                    `put`                                         `do`
==================  ============================================  =========================================
for changes         without a result: release, count              with a result: take, look up
runs the change     now, or after the change that is running      now, after those of other threads
waits               never                                         for other threads only
used in             `after_request`, `on_finish`, `on_decision`   `before_request`, methods for users
==================  ============================================  =========================================

Example: thread A is inside ``do(take)`` when the collector ends another stream in A, whose `after_request` calls
``put(release)``. The inbox is in use, so `put` stores the change and returns. A finishes `take`, and `do` then runs
`release` before it returns.

A KeyboardInterrupt can come between any two steps as well. The lock never stays taken: it knows its thread, so
`_let_go` may be called when it is uncertain whether anything was taken. A stored change that was interrupted is run
again by the next user of the inbox; any other is left to its caller. Changes must therefore be repeatable.
"""

import logging
from collections import deque
from collections.abc import Callable
from threading import RLock, get_ident
from typing import Any, TypeVar, final

T = TypeVar("T")

_Change = tuple[Callable[..., object], tuple[Any, ...]]

_log = logging.getLogger("unbroken")


@final
class Inbox:
    """Runs changes one at a time, in order of arrival."""

    __slots__ = ("_changes", "_holder", "_lock")

    def __init__(self) -> None:
        self._changes: deque[_Change] = deque()
        # Also taken by a finaliser that runs between two steps of `put` or `do` in the same thread, which is harmless:
        # `_holder` keeps it from coming between the steps of a change.
        self._lock = RLock()
        self._holder: int | None = None
        """The thread that is running a change."""

    def put(self, change: Callable[..., object], *arguments: Any) -> None:
        """Run ``change(*arguments)`` now or, if another change is running, right after it. Never waits.

        An exception raised by the change is logged, because the call that runs it may not be the one that put it.
        """
        this_thread = get_ident()
        if self._changes or self._holder == this_thread:
            self._changes.append((change, arguments))
        else:  # the ordinary case: the inbox is not in use
            try:
                try:
                    if self._lock.acquire(False):
                        self._holder = this_thread
                        _contained(change, arguments)
                    else:
                        self._changes.append((change, arguments))
                finally:
                    self._let_go(this_thread)
            except BaseException:
                self._let_go(this_thread)  # the interrupt may have come within it
                raise
        if self._changes:
            self.drain()

    def add(self, change: Callable[..., object], *arguments: Any) -> None:
        """Store a change as `put` does, but let a later `put`, `do` or `drain` run it."""
        self._changes.append((change, arguments))

    def do(self, change: Callable[..., T], *arguments: Any) -> T:
        """Run all earlier changes, then ``change(*arguments)``, and return its result.

        Waits for other threads. Raises RuntimeError inside a change of the same inbox, where it would wait for itself.
        """
        this_thread = get_ident()
        if self._holder == this_thread:
            raise RuntimeError("this thread is already changing that state")
        try:
            try:
                self._lock.acquire()
                self._holder = this_thread
                if self._changes:
                    self._run()
                return change(*arguments)
            finally:
                self._let_go(this_thread)
        except BaseException:
            self._let_go(this_thread)
            raise
        finally:
            if self._changes:
                self.drain()

    def drain(self) -> None:
        """Run the stored changes. If the inbox is in use, return at once: its current user runs them."""
        this_thread = get_ident()
        while self._changes and self._holder != this_thread:
            try:
                try:
                    if not self._lock.acquire(False):
                        return
                    self._holder = this_thread
                    self._run()
                finally:
                    self._let_go(this_thread)
            except BaseException:
                self._let_go(this_thread)
                raise

    @property
    def held_here(self) -> bool:
        """Whether the current thread is running a change."""
        return self._holder == get_ident()

    def __len__(self) -> int:
        """Return the number of stored changes."""
        return len(self._changes)

    def _run(self) -> None:
        changes = self._changes
        while changes:
            _contained(*changes[0])
            changes.popleft()  # not before: what an interrupt prevents is not lost

    def _let_go(self, this_thread: int) -> None:
        """Release the lock if this thread has it."""
        if self._holder == this_thread:
            self._holder = None
        try:  # noqa: SIM105  # suppress() would take as long as all the rest
            self._lock.release()
        except RuntimeError:  # another thread has it, or nobody
            pass


def _contained(change: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    try:
        change(*arguments)
    except Exception as error:  # noqa: BLE001  # the other changes must still run
        _log.error("a change of shared state failed: %r", change, exc_info=error)
