"""Changes to shared state, made one at a time, by hooks that may be entered again while they run.

The garbage collector can end an abandoned stream at any allocation, also while the same thread is inside a hook of the
same plugin. The `after_request` of that stream then runs *within* the other hook. Under a plain lock it would wait for
its own thread, for ever. An inbox has two ways in:

==================  ============================================  =========================================
                    `put`                                         `do`
==================  ============================================  =========================================
for                 what needs no answer: giving back, counting   what needs one: taking, looking
runs the change     now, or as soon as whoever is at it is done   now, when all other threads are out
waits               never                                         for other threads only
hooks that use it   `after_request`, `on_finish`, `on_decision`   `before_request`, methods for people
==================  ============================================  =========================================
"""

import logging
from collections import deque
from collections.abc import Callable
from threading import Lock, get_ident
from typing import Any, TypeVar, final

T = TypeVar("T")

_Change = tuple[Callable[..., object], tuple[Any, ...]]

_log = logging.getLogger("unbroken")


@final
class Inbox:
    """Runs changes one at a time, in the order in which they came."""

    __slots__ = ("_changes", "_holder", "_lock")

    def __init__(self) -> None:
        self._changes: deque[_Change] = deque()
        self._lock = Lock()
        self._holder: int | None = None

    def put(self, change: Callable[..., object], *arguments: Any) -> None:
        """Have ``change(*arguments)`` run: now, or by whoever is running changes at the moment. Never waits.

        What a change raises is logged; it belongs to another call than the one that happens to run it.
        """
        if self._changes or not self._lock.acquire(False):
            self._changes.append((change, arguments))
        else:  # the ordinary case: nobody else is there
            self._holder = get_ident()
            try:
                _contained(change, arguments)
            finally:
                self._holder = None
                self._lock.release()
        if self._changes:
            self.drain()

    def add(self, change: Callable[..., object], *arguments: Any) -> None:
        """As `put`, but leave it to a later `put`, `do` or `drain`."""
        self._changes.append((change, arguments))

    def do(self, change: Callable[..., T], *arguments: Any) -> T:
        """Return the result of ``change(*arguments)``, run after everything that came before.

        Waits for other threads. Raises RuntimeError within a change of the same inbox: it would wait for itself.
        """
        this_thread = get_ident()
        if self._holder == this_thread:
            raise RuntimeError("this thread is already changing that state")
        try:
            with self._lock:
                self._holder = this_thread
                try:
                    if self._changes:
                        self._run()
                    return change(*arguments)
                finally:
                    self._holder = None
        finally:
            if self._changes:
                self.drain()

    def drain(self) -> None:
        """Run what is there, unless somebody is at it; then it is theirs to run."""
        while self._changes and self._lock.acquire(False):
            self._holder = get_ident()
            try:
                self._run()
            finally:
                self._holder = None
                self._lock.release()

    @property
    def held_here(self) -> bool:
        """Whether this very thread is running a change at the moment."""
        return self._holder == get_ident()

    def __len__(self) -> int:
        """How many changes wait."""
        return len(self._changes)

    def _run(self) -> None:
        changes = self._changes
        while changes:
            _contained(*changes.popleft())


def _contained(change: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    try:
        change(*arguments)
    except Exception as error:  # noqa: BLE001  # the others have to be made, too
        _log.error("a change of shared state failed: %r", change, exc_info=error)
