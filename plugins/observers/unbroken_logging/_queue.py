"""A bounded queue with a thread behind it: the stream never waits for whoever writes the log.

loguru's own ``enqueue=True`` is a pipe: it takes 64 KiB, then the caller waits for the sink after all. This
one drops the oldest item instead and counts it. The thread starts with the first item and ends when there has
been none for a while.
"""

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
    """Hands items to `write`, one at a time and in order; contains what `write` raises."""

    def __init__(
        self, write: Callable[[T], None], size: int, *, on_closed: Callable[[], None], linger: float = 1.0
    ) -> None:
        self._write = write
        self._size = size
        self._on_closed = on_closed
        self._linger = linger
        self.dropped = 0
        """Items that were never written because newer ones pushed them out."""
        self.failed = 0
        """Items whose writing raised."""
        self._closed = False
        self._start_over()
        _queues.add(self)

    def _start_over(self) -> None:
        self._items: deque[T] = deque()
        self._busy = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        # The garbage collector may end a call, and log it, in a thread that is appending.
        self._inbox = Inbox()

    def put(self, item: T) -> None:
        """Take `item` and return at once; with a size of 0, write it here and now."""
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
        except RuntimeError:  # no threads left, or the interpreter is about to end: the next item tries again
            return
        self._thread = thread

    def flush(self, timeout: float) -> bool:
        """Wait until everything taken so far is written, `timeout` seconds at most. Return whether it is."""
        with self._changed:
            if threading.current_thread() is self._thread:
                return False
            return self._changed.wait_for(lambda: not self._items and not self._busy, timeout)

    def close(self, timeout: float = 1.0) -> None:
        """Take no more, and write what there is; wait for that, `timeout` seconds at most."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
            if thread is None:
                self._on_closed()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

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
        """Return False, with the thread signed off under the same lock, when it has nothing more to do."""
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
        except Exception:  # noqa: BLE001 - whatever a sink does, it is no reason to disturb the stream
            self.failed += 1

    def after_fork(self) -> None:
        """Forget, in a child process, what the parent's thread is about to write."""
        self._start_over()


_queues: "weakref.WeakSet[BoundedQueue[Any]]" = weakref.WeakSet()


def after_fork() -> None:
    """Make every queue usable in a child process, which has the locks of its parent but not the threads."""
    for queue in list(_queues):
        queue.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch - everywhere but on Windows
    os.register_at_fork(after_in_child=after_fork)
