"""One limit as one number: the generic cell rate algorithm (ITU-T I.371) with a cost, and with giving back."""

from bisect import bisect_right
from math import inf

from attrs import define, field


@define(eq=False)
class Bucket:
    """Grants at most `burst` + t · `limit` / `window` units in any t seconds.

    Time is given from outside and monotonic. Charges are made in the order of their times; each has a mark, and marks
    only grow.
    """

    limit: float
    """Units per window."""
    window: float
    """Seconds."""
    burst: float
    """Units that a full bucket holds."""
    interval: float = field(init=False)
    """Seconds that bring one unit."""
    _tolerance: float = field(init=False)
    _step: float = field(init=False)
    full_at: float = field(default=-inf, init=False)
    """When the bucket is full again; the theoretical arrival time of GCRA."""
    # A full bucket runs over: what a charge took is lost by now as far as the bucket would have been full without it.
    # So no more can be given back than was missing (in seconds) at each later charge. Kept for each mark is the least
    # that was missing from then on. Marks and lows both grow, the lows by `_step` at least: so they are never many,
    # and what is given back is too little by that much at most.
    _marks: list[int] = field(factory=list[int], init=False)
    _lows: list[float] = field(factory=list[float], init=False)

    def __attrs_post_init__(self) -> None:
        self.interval = self.window / self.limit
        self._tolerance = self.burst * self.interval
        self._step = self._tolerance / 1000

    def earliest(self, units: float, full_at: float) -> float:
        """Return from when on `units`, no more than `burst`, are there if the bucket is full at `full_at`."""
        return full_at + units * self.interval - self._tolerance

    def after(self, units: float, at: float, full_at: float) -> float:
        """Return when a bucket that would have been full at `full_at` is full, if `units` are taken at `at`."""
        return max(full_at, at) + units * self.interval

    def level(self, now: float) -> float:
        """Return the units that are there; a negative number is a debt."""
        return (self._tolerance - max(0.0, self.full_at - now)) / self.interval

    def take(self, units: float, at: float, mark: int, *, noted: bool) -> None:
        """Charge `units` at the time `at`; `noted` when an earlier charge may yet be given back."""
        missing = self.full_at - at
        if missing < 0.0:
            missing, self.full_at = 0.0, at
        if noted:
            self._note(mark, missing)
        elif self._marks:
            self._marks.clear()
            self._lows.clear()
        self.full_at += units * self.interval

    def give_back(self, units: float, mark: int) -> None:
        """Undo so much of the charge `mark`: afterwards all is as if it had never been made."""
        seconds = units * self.interval
        if self._marks and self._marks[-1] > mark:
            seconds = self._room(seconds, bisect_right(self._marks, mark))
        self.full_at -= seconds

    def shrink(self, units: float, now: float, mark: int) -> None:
        """Leave at most `units`; what was charged before stays charged."""
        full_at = now + self._tolerance - units * self.interval
        if full_at > max(now, self.full_at):
            self.full_at = full_at
            self._marks[:], self._lows[:] = [mark], [0.0]

    def reset(self, mark: int) -> None:
        """Be full, now."""
        self.full_at = -inf
        self._marks[:], self._lows[:] = [mark], [0.0]

    def _room(self, seconds: float, later: int) -> float:
        """Return how much of `seconds` can be given back, as the notes from the place `later` on say; take it there."""
        marks, lows = self._marks, self._lows
        seconds = min(seconds, lows[later])
        lows[later:] = [low - seconds for low in lows[later:]]
        first = later
        while first and lows[first - 1] >= lows[later]:
            first -= 1
        del lows[first:later], marks[first:later]
        return seconds

    def _note(self, mark: int, missing: float) -> None:
        marks, lows = self._marks, self._lows
        while lows and lows[-1] >= missing:
            lows.pop()
            marks.pop()
        if lows and missing < lows[-1] + self._step:
            marks[-1] = mark
        else:
            marks.append(mark)
            lows.append(missing)
