"""Looking up names. The system's resolver knows no time limit, so it runs in daemon threads.

At most one look-up per name is under way, however many calls need it, so a name that hangs holds one thread. There are
no locks, for the reasons in `places`: a look-up that was registered but not started is started by the next call.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, final

from . import process
from .connect import Address
from .places import Gate, Place

THREADS: Final = 64
"""How many look-ups run at a time; further ones wait for one of them."""


@final
class Lookup:
    """One name to look up, and the gates of the calls that need it."""

    __slots__ = ("_unclaimed", "addresses", "error", "gates", "host", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.addresses: list[Address] | None = None
        self.error: OSError | None = None
        self.gates: dict[int, Gate] = {}
        self._unclaimed = [True]

    @property
    def done(self) -> bool:
        """Whether there is an answer."""
        return self.addresses is not None or self.error is not None

    @property
    def unclaimed(self) -> bool:
        """Whether no thread has taken it."""
        return bool(self._unclaimed)

    def claim(self) -> bool:
        """Take it. Returns whether this was the first time."""
        with suppress(IndexError):
            return self._unclaimed.pop()
        return False

    def answer(self) -> None:
        """Ask the system, then open all gates."""
        try:
            self.addresses = look_up(self.host, self.port)
        except OSError as error:
            self.error = error
        finally:
            for gate in list(self.gates.values()):
                gate.release()


def look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    """Return the addresses of `host` in the order of the system (RFC 6724). Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError) as error:  # IDNA cannot encode every name
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"the name {host!r} cannot be resolved: {reason}") from error
    return [(entry[0], entry[4]) for entry in found]


@final
class Resolver:
    """The look-ups of a process."""

    def __init__(self, start: Callable[[Callable[[], None]], None] | None = None) -> None:
        self._start = start or _start_thread
        self._flights: dict[tuple[str, int], Lookup] = {}
        self._queue: deque[Lookup] = deque()
        self._threads: dict[object, None] = {}

    async def addresses(
        self, host: str, port: int, deadline: float | None, place: Place, make_gate: Callable[[], Gate]
    ) -> list[Address]:
        """Return the addresses of `host`. Raises OSError, and builtin TimeoutError at `deadline`."""
        with suppress(OSError):
            return look_up(host, port, socket.AI_NUMERICHOST)
        lookup = self._flights.setdefault((host, port), Lookup(host, port))
        gate = make_gate()
        lookup.gates[id(gate)] = gate
        try:
            if lookup.unclaimed:
                self._queue.append(lookup)
                self._serve()
            place.hold(gate)
            if not lookup.done:
                await gate.wait(deadline)
        finally:
            lookup.gates.pop(id(gate), None)
        if lookup.addresses is None:
            raise lookup.error or ConnectionAbortedError("the look-up was ended")
        return lookup.addresses

    def _serve(self) -> None:
        if len(self._threads) >= THREADS:
            return
        token = object()
        self._threads[token] = None
        try:
            self._start(lambda: self._work(token))
        except BaseException:
            self._threads.pop(token, None)
            raise

    def _work(self, token: object) -> None:
        """Answer questions until there are none; runs in a thread of its own."""
        try:
            while True:
                lookup = self._queue.popleft()
                if lookup.claim():
                    try:
                        lookup.answer()
                    finally:
                        self._flights.pop((lookup.host, lookup.port), None)
        except IndexError:
            pass
        finally:
            self._threads.pop(token, None)
            if self._queue:  # something was appended in the moment between
                with suppress(RuntimeError):  # no more threads: the next call starts one
                    self._serve()


def _start_thread(work: Callable[[], None]) -> None:
    # A daemon, because nothing can end a look-up that hangs.
    threading.Thread(target=work, name="unbroken-resolver", daemon=True).start()


_shared: dict[object, Resolver] = {}


def resolver() -> Resolver:
    """Return the resolver of this process."""
    found = _shared.get(process.current)
    if found is None:
        _shared.clear()
        found = _shared.setdefault(process.current, Resolver())
    return found
