"""Which timeout runs while an attempt is opened and read, and what its error says. Pure."""

from attrs import define, field

from ..errors import TimeoutError, TimeoutName
from ..messages import Timeouts

_WORDING: dict[TimeoutName, str] = {
    "connect": "no connection",
    "first_event": "no content event",
    "idle": "no progress in the stream",
    "total": "the call was not complete",
}


@define(eq=False)
class ReadTimeout:
    """The timeout of a stream that is being read: `first_event`, then `idle`. It runs only while the client waits."""

    timeouts: Timeouts
    left: float | None
    """Seconds."""
    total: float | None
    """When the total timeout runs out."""
    name: TimeoutName = field(default="first_event", init=False)
    deadline: float | None = field(default=None, init=False)
    """Of the present read."""
    _began: float = field(default=0.0, init=False)

    def begin(self, now: float) -> float | None:
        """Begin to wait. Returns the deadline of the read."""
        self._began = now
        self.deadline = earliest(after(now, self.left), self.total)
        return self.deadline

    def end(self, now: float) -> None:
        """Take off the time that the read has taken."""
        if self.left is not None:
            self.left -= now - self._began

    def renew(self) -> None:
        """Start over with the idle timeout: there was progress."""
        self.name, self.left = "idle", self.timeouts.idle

    def error(self) -> TimeoutError:
        """Make the error of a read that has passed its deadline."""
        return expired(self.name, self.deadline, self.total, self.timeouts)


def expired(name: TimeoutName, reached: float | None, total: float | None, timeouts: Timeouts) -> TimeoutError:
    """Make the error of the timeout `name`, or of the total one when that is the deadline that was `reached`."""
    if reached is not None and reached == total:
        name = "total"
    seconds: float | None = getattr(timeouts, name)
    return timed_out(name, seconds)


def timed_out(name: TimeoutName, seconds: float | None) -> TimeoutError:
    """Make the error for a timeout that ran out."""
    wording = _WORDING[name]
    message = f"{wording} within {seconds:g} s ({name} timeout)" if seconds else wording
    return TimeoutError(message, timeout=name, seconds=seconds)


def after(start: float, seconds: float | None) -> float | None:
    """Return the time `seconds` after `start`, None for no limit."""
    return None if seconds is None else start + seconds


def earliest(one: float | None, other: float | None) -> float | None:
    """Return the earlier of two times, where None is never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
