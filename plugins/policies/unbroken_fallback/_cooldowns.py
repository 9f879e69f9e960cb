"""Until when places are passed over. Used only inside the plugin's `Inbox`, one change at a time."""

import math
from typing import Final, final

MOST: Final = 1000
"""The most places that are remembered. The caller's own requests can be to any number of them."""

Place = tuple[str, str, int | None]
"""The origin of the request if that decides, the label of the target or key, and a number for the caller's own key."""


@final
class Cooldowns:
    """When each place that has failed may be used again, in monotonic seconds; infinity for a key that was refused."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[Place, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def cool(self, place: Place, until: float, now: float) -> None:
        """Pass over `place` until then, or longer if that was said before."""
        if until <= now:
            return
        if place not in self._until and len(self._until) >= MOST:
            self.forget_expired(now)
            if len(self._until) >= MOST:
                del self._until[min(self._until, key=self._until.__getitem__)]
        self._until[place] = max(until, self._until.get(place, -math.inf))

    def until(self, *places: Place) -> float:
        """Return when the last of `places` may be used, minus infinity if they all may be used now."""
        return max(self._until.get(place, -math.inf) for place in places)

    def forget_expired(self, now: float) -> None:
        """Forget the places that may be used again."""
        self._until = {place: until for place, until in self._until.items() if until > now}

    def clear(self) -> None:
        """Forget all places."""
        self._until = {}

    def left(self, now: float) -> dict[str, float]:
        """Return the seconds that are left for each place, by its name; of several with one name, the longest."""
        found: dict[str, float] = {}
        for (where, label, _), until in self._until.items():
            name = f"{label} of {where}" if where else label
            if until > now:
                found[name] = max(until - now, found.get(name, 0.0))
        return found
