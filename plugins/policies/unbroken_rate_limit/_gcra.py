"""One limit as one number: the generic cell rate algorithm (GCRA, ITU-T I.371) with costs and give-back.

What was charged too much, or for a request that was never sent, is given back: afterwards the bucket is as if it had
never been charged. The units cannot simply be added again. A full bucket overflows, so some of them might be lost by
now even without the charge. For each charge the bucket therefore notes its *low*: how many seconds were missing to a
full bucket when it was made. No charge can give back more than the lowest low of the charges after it.

``Bucket(limit=1, window=1, burst=3)`` gains one unit per second, up to three. Each charge here takes one unit:

====  =================  =======  =====  ==================  ======================================================
t     step               full_at  level  lows                because
====  =================  =======  =====  ==================  ======================================================
0     A takes 1          1        2                          no earlier charge can be given back: no low noted
0     B takes 1          2        1      B: 1                1 s was missing, because of A
0     C takes 1          3        0      B: 1, C: 2          2 s were missing, because of A and B
1     A is given back    2        2      B: 0, C: 1          all of it: otherwise the level would be 1
====  =================  =======  =====  ==================  ======================================================

If nothing is given back until D takes one unit at 2.5, only half a second is missing to a full bucket by then, and A
and B together can give back no more. Without them the bucket would have been full at 1 and lost what came after:

====  =================  =======  =====  ==================  ======================================================
2.5   D takes 1          4        1.5    D: 0.5              replaces the higher lows before it
2.5   A is given back    3.5      2      D: 0                half of it: the low of D
2.5   B is given back    3.5      2      D: 0                nothing: A has used up the low of D
====  =================  =======  =====  ==================  ======================================================
"""

from bisect import bisect_right
from math import inf

from attrs import define, field


@define(eq=False)
class Bucket:
    """Grants at most `burst` + t · `limit` / `window` units in any t seconds.

    Times are monotonic seconds and come as arguments. Charges are made in the order of their times. Each charge has a
    mark, an integer that is larger than all marks before it.
    """

    limit: float
    """Units per window."""
    window: float
    """Length of the window in seconds."""
    burst: float
    """Units in a full bucket."""
    interval: float = field(init=False)
    """Seconds in which one unit flows in."""
    _tolerance: float = field(init=False)
    _step: float = field(init=False)
    full_at: float = field(default=-inf, init=False)
    """When the bucket will be full again: the theoretical arrival time (TAT) of GCRA."""
    # `_lows[i]` is the lowest low, in seconds, from the charge `_marks[i]` on (see the example above). Both lists
    # ascend, and the lows by at least `_step`. So the lists stay short, and what is given back is too little by less
    # than one step.
    _marks: list[int] = field(factory=list[int], init=False)
    _lows: list[float] = field(factory=list[float], init=False)

    def __attrs_post_init__(self) -> None:
        self.interval = self.window / self.limit
        self._tolerance = self.burst * self.interval
        self._step = self._tolerance / 1000

    def earliest(self, units: float, full_at: float) -> float:
        """Return when a bucket that is full at `full_at` first has `units`, which must not exceed `burst`."""
        return full_at + units * self.interval - self._tolerance

    def after(self, units: float, at: float, full_at: float) -> float:
        """Return the new `full_at` of a bucket from which `units` are taken at the time `at`."""
        return max(full_at, at) + units * self.interval

    def level(self, now: float) -> float:
        """Return the units in the bucket at `now`; a negative number is a debt."""
        return (self._tolerance - max(0.0, self.full_at - now)) / self.interval

    def take(self, units: float, at: float, mark: int, *, noted: bool) -> None:
        """Charge `units` at the time `at`. Pass `noted` if an earlier charge may still be given back."""
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
        """Give back `units` of the charge `mark`, less what would have overflowed since."""
        seconds = units * self.interval
        if self._marks and self._marks[-1] > mark:
            seconds = self._room(seconds, bisect_right(self._marks, mark))
        self.full_at -= seconds

    def shrink(self, units: float, now: float, mark: int) -> None:
        """Lower the level to at most `units`. If that changes it, earlier charges can no longer be given back."""
        full_at = now + self._tolerance - units * self.interval
        if full_at > max(now, self.full_at):
            self.full_at = full_at
            self._marks[:], self._lows[:] = [mark], [0.0]

    def adopt(self, old: "Bucket", now: float) -> None:
        """Take over what is missing in a bucket with other settings: as many units, flowing in at this one's rate.

        If they are more than fit in, that is a debt: nothing is granted until they have flowed in.
        """
        if (self.limit, self.window, self.burst) == (old.limit, old.window, old.burst):
            scale, self.full_at = 1.0, old.full_at
        else:
            scale = self.interval / old.interval
            self.full_at = now + (old.full_at - now) * scale if old.full_at > now else old.full_at
        self._marks, self._lows = old._marks, [low * scale for low in old._lows]

    def reset(self, mark: int) -> None:
        """Fill the bucket. Earlier charges can no longer be given back."""
        self.full_at = -inf
        self._marks[:], self._lows[:] = [mark], [0.0]

    def _room(self, seconds: float, later: int) -> float:
        """Return how many of `seconds` can be given back, and subtract them from the lows from index `later` on."""
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
