"""Which timeout is in force while an attempt is opened and read, and the error when it expires. Does no I/O."""

import builtins

from attrs import define, field

from ..errors import TimeoutError, TimeoutName
from ..messages import Timeouts

_WORDING: dict[TimeoutName, str] = {
    "connect": "no connection",
    "first_event": "no content event",
    "idle": "no progress in the stream",
    "quiet": "no progress in the stream while silence is normal",
    "total": "the call was not complete",
}


@define(eq=False)
class ReadTimeout:
    """The timeout in force while a stream is read: `first_event`, then `idle` or `quiet`.

    It runs only while the client waits. Progress starts it again, and so does a change between `idle` and `quiet`.

    Example with ``idle=60``: a read takes 20 s and brings only a ping. That is no progress, so 40 s are left for the
    next read. Time that the consumer spends between two reads does not count.
    """

    timeouts: Timeouts
    left: float | None
    """The seconds left to wait; None for no limit."""
    total: float | None
    """When the total timeout expires."""
    name: TimeoutName = field(default="first_event", init=False)
    quiet: bool = field(default=False, init=False)
    """Whether silence is normal at present."""
    deadline: float | None = field(default=None, init=False)
    """The deadline of the current read."""
    _began: float = field(default=0.0, init=False)

    def begin(self, now: float) -> float | None:
        """Begin a read. Returns its deadline."""
        self._began = now
        self.deadline = earliest(after(now, self.left), self.total)
        return self.deadline

    def end(self, now: float) -> None:
        """End a read, and subtract its duration from the time left."""
        if self.left is not None:
            self.left -= now - self._began

    def progressed(self, *, quiet: bool, progress: bool) -> None:
        """Start `idle` or `quiet` again if there was progress, or if the other one was in force."""
        if progress or quiet != self.quiet or self.name == "first_event":
            idle, longer = self.timeouts.idle, self.timeouts.quiet
            self.quiet, self.name, self.left = quiet, "idle", idle
            if quiet and idle is not None and (longer is None or longer > idle):
                self.name, self.left = "quiet", longer

    def error(self, error: builtins.TimeoutError | None = None) -> TimeoutError:
        """Return the error of a read that has reached its deadline; a transport may have a timeout of its own."""
        if isinstance(error, TimeoutError):
            return error
        return expired(self.name, self.deadline, self.total, self.timeouts)


def expired(name: TimeoutName, reached: float | None, total: float | None, timeouts: Timeouts) -> TimeoutError:
    """Return the error of the timeout `name`, or of the total timeout if its deadline is the one `reached`."""
    if reached is not None and reached == total:
        name = "total"
    seconds: float | None = getattr(timeouts, name)
    return timed_out(name, seconds)


def timed_out(name: TimeoutName, seconds: float | None) -> TimeoutError:
    """Return the error for a timeout that has expired."""
    wording = _WORDING[name]
    message = f"{wording} within {seconds:g} s ({name} timeout)" if seconds else wording
    return TimeoutError(message, timeout=name, seconds=seconds)


def after(start: float, seconds: float | None) -> float | None:
    """Return the time `seconds` after `start`, None if `seconds` is None (no limit)."""
    return None if seconds is None else start + seconds


def earliest(one: float | None, other: float | None) -> float | None:
    """Return the earlier of two times, where None means never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
