"""Telling threads that wait for ever from threads that are slow, without a limit in seconds of the wall clock."""

import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import define

GLANCE: Final = 0.02
"""Seconds between two looks."""
_STILL: Final = 50
"""Looks in a row at which nothing has moved and every thread slept."""
_STILL_ANYWHERE: Final = 1500
"""The same where the system does not tell whether a thread sleeps or waits for a processor."""

_TASKS: Final = Path("/proc/self/task")


@define(eq=False)
class Stillness:
    """Looks at threads again and again."""

    _seen: tuple[object, ...] = ()
    _still: int = 0

    def lasts(self, threads: Iterable[threading.Thread]) -> bool:
        """Look, and say whether all `threads` have been waiting at the same places for many looks."""
        alive = [thread for thread in threads if thread.is_alive()]
        frames = sys._current_frames()
        places = tuple(_place(frames.get(thread.ident or 0)) for thread in alive)
        states = [_state(thread) for thread in alive]
        if places != self._seen or any(state not in {"S", ""} for state in states):
            self._seen, self._still = places, 0
        else:
            self._still += 1
        return self._still >= (_STILL_ANYWHERE if "" in states else _STILL)


def _place(frame: object) -> object:
    return None if frame is None else (id(frame), getattr(frame, "f_lasti", 0))


def _state(thread: threading.Thread) -> str:
    """Return the letter of a thread's state (proc(5): S sleeps, R runs or is ready to); nothing where it is unknown."""
    try:
        stat = (_TASKS / str(thread.native_id) / "stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(") ")[2][:1]
