"""Connecting to the first address that answers: happy eyeballs (RFC 8305)."""

import itertools
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, final

from .sockets import CLOSED_HERE, Attempt, Network, Socket

Address = tuple[socket.AddressFamily, Any]
"""Family and address of a socket."""

STAGGER: Final = 0.25
"""Seconds that an address is ahead of the next one (RFC 8305 §5)."""


def socket_options() -> list[tuple[int, int, int]]:
    """Return the options of every connection. TCP keep-alive finds peers that vanished behind a NAT."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    idle = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"  # the name that macOS has for it
    for name, value in ((idle, 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


_OPTIONS = socket_options()


@final
class Race:
    """Attempts to connect, each a little after the one before, or at once when that has failed."""

    def __init__(self, network: Network, addresses: Sequence[Address]) -> None:
        self._network = network
        self._left = alternating(addresses)
        self._running: list[Attempt] = []
        self._aborted = False
        self._socket: Socket | None = None
        """What was won; `abort` closes it too, until the exchange holds it by itself."""

    async def run(self, deadline: float | None) -> Socket:
        """Return the first socket that is connected. Raises OSError, and builtin TimeoutError at `deadline`."""
        winner = None
        try:
            winner = await self._win(deadline)
            self._socket = await self._network.adopt(winner)
            return self._socket
        finally:
            for attempt in self._running:
                if attempt is not winner or self._socket is None:
                    attempt.abandon()

    async def _win(self, deadline: float | None) -> Attempt:
        failure = OSError("the name has no address")
        while self._left or self._running:
            try:
                if self._left:
                    self._begin(*self._left.pop(0))
            except OSError as error:
                failure = error  # a family of addresses that this machine does not have
                continue
            await self._wait(deadline)
            for attempt in [attempt for attempt in self._running if attempt.done]:
                if attempt.error is None and not self._aborted:
                    return attempt
                failure = attempt.error or ConnectionAbortedError(CLOSED_HERE)
                self._running.remove(attempt)
                attempt.abandon()
        raise failure

    def _begin(self, family: socket.AddressFamily, address: Any) -> None:
        raw = socket.socket(family, socket.SOCK_STREAM)
        try:
            for option in _OPTIONS:
                raw.setsockopt(*option)
            self._running.append(self._network.begin(raw, address))
        except BaseException:
            raw.close()
            raise

    async def _wait(self, deadline: float | None) -> None:
        """Wait for an attempt to end, or for the turn of the next address."""
        if self._aborted:
            raise ConnectionAbortedError(CLOSED_HERE)
        if any(attempt.done for attempt in self._running):
            return
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            raise TimeoutError
        until = deadline
        if self._left:
            # A silent address must not use up a short time: the others get their share of it.
            fair = STAGGER if deadline is None else (deadline - now) / (len(self._left) + 1)
            until = now + min(STAGGER, fair)
        await self._network.wait(self._running, until)

    def abort(self) -> None:
        """Make all attempts fail, from any thread."""
        self._aborted = True
        self._left.clear()
        for attempt in list(self._running):
            attempt.abort()
        if self._socket is not None:
            self._socket.abort()


def alternating(addresses: Iterable[Address]) -> list[Address]:
    """Return `addresses` once each, the families in turn, beginning with that of the first (RFC 8305 §4)."""
    by_family: dict[socket.AddressFamily, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        by_family.setdefault(address[0], []).append(address)
    turns = itertools.zip_longest(*by_family.values())
    return [address for turn in turns for address in turn if address is not None]
