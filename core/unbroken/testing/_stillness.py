"""Tells threads that wait forever from threads that are slow, without a limit in real seconds."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import define

GLANCE: Final = 0.02
"""Seconds between two observations."""
_STILL: Final = 50
"""The number of observations in a row without progress at which every thread was asleep."""
_STILL_ANYWHERE: Final = 1500
"""The same number for systems that do not tell whether a thread sleeps or waits for a processor."""

_TASKS: Final = Path("/proc/self/task")


@define(eq=False)
class Stillness:
    """Observes threads repeatedly."""

    _progress: int = -1
    _still: int = 0

    def lasts(self, threads: Iterable[threading.Thread], progress: int) -> bool:
        """Observe once. Returns whether `threads` have been asleep, and `progress` the same, for many observations."""
        states = [_state(thread) for thread in list(threads) if thread.is_alive()]
        if progress != self._progress or any(state not in {"S", ""} for state in states):
            self._progress, self._still = progress, 0
        else:
            self._still += 1
        return self._still >= (_STILL_ANYWHERE if "" in states else _STILL)


def _state(thread: threading.Thread) -> str:
    """Return a thread's state as a letter (proc(5): S sleeping, R running or ready to run), empty if it is unknown."""
    try:
        stat = (_TASKS / str(thread.native_id) / "stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(") ")[2][:1]
