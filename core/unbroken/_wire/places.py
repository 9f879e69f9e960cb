"""How many exchanges run at a time, and which one is next. There are no locks.

A KeyboardInterrupt can come between any two lines, and the garbage collector may end another stream, in the same
thread, at any allocation; a lock would stay taken or wait for itself. So each step is one call into C, and each may be
repeated: a place is held while it is in a dict, and a waiter stays in the queue until it has been served.

Two threads that want the last place show why a step that is taken back is followed by another look. Both add
themselves, both see one too many, both take themselves out. The one that does so last sees the room that both have
made, in the loop of `_grant` or in `serve`; without the second look both would wait for a place that is free.
"""

import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, final

from ..transport import closed
from .errors import full


class Gate(Protocol):
    """A one-shot event."""

    async def wait(self, deadline: float | None) -> None:
        """Return when the gate is open. Raises builtin TimeoutError at `deadline`."""
        ...

    def release(self) -> None:
        """Let the waiter through. Any thread may call it, and more than once."""
        ...

    def abort(self) -> None:
        """Do as `release`: the waiter finds out why."""
        ...


class Pending(Protocol):
    """What an exchange waits for, or reads from."""

    def abort(self) -> None:
        """End it at once; any thread may call it, and more than once."""
        ...


@final
class Place:
    """One of the exchanges that may run at a time. It is given back by `leave`, at the latest when it is collected."""

    __slots__ = ("__weakref__", "_places", "left", "pending")

    def __init__(self, places: "Places") -> None:
        self._places = places
        self.pending: Pending | None = None
        self.left = False

    def hold(self, pending: Pending) -> None:
        """Note what the exchange waits for from now on. Raises NetworkError when the client was closed."""
        self.pending = pending
        if self._places.closed:
            pending.abort()
            raise closed()

    def leave(self) -> None:
        """Abort what is pending and give the place to the first waiter. Does nothing when it was left before."""
        try:
            self._leave()
        except BaseException:
            self._leave()  # all its steps may be repeated
            raise

    def _leave(self) -> None:
        pending = self.pending
        if pending is not None:
            pending.abort()
            self.pending = None
        self._places.free(self)

    def __del__(self) -> None:
        if not self.left or self.pending is not None:
            self.leave()


@final
class Places:
    """At most `limit` places, handed on in the order in which they were asked for."""

    def __init__(self, limit: int, make_gate: Callable[[], Gate]) -> None:
        self._limit = limit
        self._make_gate = make_gate
        self._held: dict[int, weakref.ref[Place]] = {}
        self._queue: OrderedDict[Place, Gate] = OrderedDict()
        self.closed = False

    def __len__(self) -> int:
        return len(self._held)

    def under_way(self) -> int:
        """Return how many places are held or waited for."""
        return len(self._held) + sum(id(place) not in self._held for place in list(self._queue))

    def connected(self) -> int:
        """Return how many places are held by exchanges that connect or have connected."""
        return sum(place.pending is not None for place in self.held())

    def held(self) -> list[Place]:
        """Return the places that are held."""
        return [place for ref in list(self._held.values()) if (place := ref()) is not None]

    async def take(self, place: Place, deadline: float | None) -> None:
        """Take `place`. Raises TimeoutError of the connect timeout at `deadline`, NetworkError once closed."""
        if not self._queue and self._grant(place):
            if self.closed:
                raise closed()
            return
        gate = self._make_gate()
        try:
            self._queue[place] = gate
            self.serve()
            place.hold(gate)
            await gate.wait(deadline)
            if self.closed:
                raise closed()
            place.pending = None
        except TimeoutError:
            raise full() from None
        finally:
            self._queue.pop(place, None)

    def free(self, place: Place) -> None:
        """Give `place` back."""
        place.left = True  # from here on a `_grant` that is under way elsewhere takes itself back
        self._held.pop(id(place), None)
        self._queue.pop(place, None)
        self.serve()

    def serve(self) -> None:
        """Give free places to the waiters, the first one first."""
        while (place := self._first()) is not None:
            gate = self._queue.get(place)
            if id(place) not in self._held and not self._grant(place):
                return
            if gate is not None:
                gate.release()
            self._queue.pop(place, None)

    def _first(self) -> Place | None:
        while self._queue:
            with suppress(RuntimeError):  # another thread has changed the queue between the two steps
                return next(iter(self._queue), None)
        return None

    def _grant(self, place: Place) -> bool:
        """Count `place` as held and return True, or return False when there is no room."""
        while len(self._held) < self._limit:
            self._held[id(place)] = weakref.ref(place)
            if place.left:
                self._held.pop(id(place), None)
                return True  # its exchange has ended; the queue goes on
            if len(self._held) <= self._limit:
                return True
            self._held.pop(id(place), None)
        return False

    def close(self) -> None:
        """End all that is under way and all that waits."""
        self.closed = True
        for gate in list(self._queue.values()):
            gate.release()
        for place in self.held():
            pending = place.pending
            if pending is not None:
                pending.abort()
