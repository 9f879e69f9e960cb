"""A bounded queue and its thread: the stream never waits for a log to be written.

loguru's own ``enqueue=True`` is a pipe: once it is full, after 64 KiB, the caller waits for the sink after all. This
queue drops the oldest item instead and counts it. The thread starts with the first item and ends when there has been
none for a while.
"""

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar, final

from unbroken import Inbox

T = TypeVar("T")


@final
class BoundedQueue(Generic[T]):
    """Passes items to `write`, one at a time and in order. What `write` raises is only counted."""

    def __init__(
        self, write: Callable[[T], None], size: int, *, on_closed: Callable[[], None], linger: float = 1.0
    ) -> None:
        self._write = write
        self._size = size
        self._on_closed = on_closed
        self._linger = linger
        self.dropped = 0
        """Items that were dropped to make room for newer ones."""
        self.failed = 0
        """Items whose writing raised."""
        self._closed = False
        self._start_over()
        _queues.add(self)
        _close_at_exit()

    def _start_over(self) -> None:
        self._items: deque[T] = deque()
        self._busy = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        # The garbage collector may end a call, and so log it, while this thread is appending.
        self._inbox = Inbox()

    def put(self, item: T) -> None:
        """Queue `item` and return at once. With a size of 0, write it before returning."""
        if self._closed:
            return
        if self._size == 0:
            self._attempt(item)
        else:
            self._inbox.put(self._append, item)

    def _append(self, item: T) -> None:
        with self._changed:
            if len(self._items) == self._size:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            if self._thread is None:
                self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="unbroken-logging", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no threads left, or interpreter shutdown: the next item tries again
            return
        self._thread = thread

    def flush(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until all items so far are written. Return whether they are."""
        with self._changed:
            if threading.current_thread() is self._thread:
                return False
            return self._changed.wait_for(lambda: not self._items and not self._busy, timeout)

    def close(self, timeout: float = 1.0) -> None:
        """Accept no more items, and wait up to `timeout` seconds until the waiting ones are written."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
            if thread is None:
                self._on_closed()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def abandon(self) -> None:
        """Accept no more items. Returns at once; the thread writes the waiting ones.

        For the garbage collector, which may run in any thread, whatever locks that thread holds: this takes none.
        Nobody else puts items at this time, and the thread looks at `_closed` after it has set `_thread` to None.
        """
        self._closed = True
        if self._thread is None:
            self._on_closed()

    def _run(self) -> None:
        while self._wait_for_item():
            with self._changed:
                item = self._items.popleft()
                self._busy = True
            self._attempt(item)
            del item
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _wait_for_item(self) -> bool:
        """Return whether there is an item. If not, the thread ends, and is forgotten under the same lock."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, self._linger)
            if self._items:
                return True
            self._thread = None
            if self._closed:
                self._on_closed()
            return False

    def _attempt(self, item: T) -> None:
        try:
            self._write(item)
        except Exception:  # noqa: BLE001 - a failing sink must not disturb the stream
            self.failed += 1

    def after_fork(self) -> None:
        """Forget, in a child process, the items that the parent's thread is about to write."""
        self._start_over()


_queues: "weakref.WeakSet[BoundedQueue[Any]]" = weakref.WeakSet()


def after_fork() -> None:
    """Make every queue usable in a child process, which inherits its parent's locks but not its threads."""
    for queue in list(_queues):
        queue.after_fork()


def close_all() -> None:
    """Write what waits in all queues, at the end of the process."""
    for queue in list(_queues):
        queue.close()


def _close_at_exit() -> None:
    # What was registered last runs first: before the exit of the sink, loguru's for one, which is imported by then.
    atexit.unregister(close_all)
    atexit.register(close_all)


if hasattr(os, "register_at_fork"):  # pragma: no branch - everywhere but on Windows
    os.register_at_fork(after_in_child=after_fork)
