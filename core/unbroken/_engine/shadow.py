"""Timeouts that an attempt only tries out: they end nothing, and the first that would have is reported."""

from collections.abc import Callable
from typing import Any

from attrs import define, field

from ..call import Call
from ..errors import TimeoutError, TimeoutName
from ..messages import Timeouts
from ..transport import Opening
from .timing import ReadTimeout, after, expired


class _TimedOpening(Opening):
    """An opening that notes when the connection was established."""

    now: Callable[[], float]
    connected_at: float | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name == "phase" and value == "headers":
            self.connected_at = self.now()


@define(eq=False)
class Trial:
    """The timeouts that one attempt tries out."""

    timeouts: Timeouts
    call: Call
    tell: Callable[[TimeoutError], None]
    """Called with the error of the timeout that would have ended the attempt."""
    started: float
    total: float | None = field(init=False)
    """When the total timeout would expire."""
    over: bool = field(default=False, init=False)
    """Whether one has been reported."""

    def __attrs_post_init__(self) -> None:
        self.total = after(self.call.started_at, self.timeouts.total)

    def timed(self, opening: Opening) -> Opening:
        """Return an opening with the same deadlines, for `opened`."""
        timed = _TimedOpening(connect_deadline=opening.connect_deadline, deadline=opening.deadline)
        timed.now = self.call.now
        return timed

    def opened(self, opening: Opening) -> None:
        """Check the timeouts that apply until the response, after it has arrived or the attempt has failed."""
        now = self.call.now()
        connected = getattr(opening, "connected_at", None)
        self.check("connect", after(self.started, self.timeouts.connect), now if connected is None else connected)
        self.check("first_event", after(self.started, self.timeouts.first_event), now)
        self.check("total", self.total, now)

    def check(self, name: TimeoutName, deadline: float | None, now: float) -> None:
        """Report the timeout `name` if `deadline` has passed and none has been reported yet."""
        if not self.over and deadline is not None and now >= deadline:
            self.over = True
            self.tell(expired(name, deadline, self.total, self.timeouts))

    def beside(self, timeout: ReadTimeout) -> ReadTimeout:
        """Return a timeout that is enforced like `timeout` and checks those tried out as well."""
        first_event = after(self.started, self.timeouts.first_event)
        left = None if first_event is None else first_event - self.call.now()
        tried = ReadTimeout(self.timeouts, left, self.total)
        return _Beside(timeout.timeouts, timeout.left, timeout.total, trial=self, tried=tried)


@define(eq=False)
class _Beside(ReadTimeout):
    """The timeouts in force while a stream is read, beside those that are tried out."""

    trial: Trial = field(kw_only=True)
    tried: ReadTimeout = field(kw_only=True)

    def begin(self, now: float) -> float | None:
        self.tried.begin(now)
        return super().begin(now)

    def end(self, now: float) -> None:
        self.trial.check(self.tried.name, self.tried.deadline, now)
        self.tried.end(now)
        super().end(now)

    def progressed(self, *, quiet: bool, progress: bool) -> None:
        self.tried.progressed(quiet=quiet, progress=progress)
        super().progressed(quiet=quiet, progress=progress)
