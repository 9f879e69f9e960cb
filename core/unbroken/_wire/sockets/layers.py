"""What the bytes of a thread's connection go through: a plain socket, and TLS over it, or over TLS to a proxy.

TLS works on memory: the socket is read in large pieces, not record by record as Python's own TLS sockets do.
"""

import math
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Protocol, final

from . import HAS_POLL, READ_SIZE


class Layer(Protocol):
    """One of them."""

    def recv(self, deadline: float | None) -> bytes:
        """Return the next bytes, ``b""`` at the end. Raises OSError; builtin TimeoutError past `deadline`."""
        ...

    def send(self, data: bytes, deadline: float | None) -> None:
        """Send all of `data`. Raises OSError; builtin TimeoutError past `deadline`."""
        ...

    def has_more(self) -> bool:
        """Whether there are bytes that came and were not read."""
        ...


@final
class Plain:
    """A socket that does not block, with poll: Python's timeouts would cost two system calls more for each read."""

    __slots__ = ("_readable", "_socket")

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._readable = poller(connected, write=False)

    def recv(self, deadline: float | None) -> bytes:
        """Return the next bytes."""
        while True:
            check(deadline)
            try:
                return self._socket.recv(READ_SIZE)
            except BlockingIOError:
                self._readable(milliseconds(deadline))

    def send(self, data: bytes, deadline: float | None) -> None:
        """Send `data`."""
        left = memoryview(data)
        while left:
            check(deadline)
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                poller(self._socket, write=True)(milliseconds(deadline))

    def has_more(self) -> bool:
        """Nothing is kept here."""
        return False


@final
class TLS:
    """TLS over another layer."""

    __slots__ = ("_error", "_incoming", "_lower", "_outgoing", "_tls")

    def __init__(self, lower: Layer, context: ssl.SSLContext, name: str) -> None:
        self._lower = lower
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._error: OSError | None = None
        """What is wrong behind the bytes that were returned last."""

    def handshake(self, deadline: float | None) -> None:
        """Shake hands. Raises OSError; builtin TimeoutError past `deadline`."""
        self._run(deadline, self._tls.do_handshake)

    def recv(self, deadline: float | None) -> bytes:
        """Return all that has come."""
        while True:
            if self._error is not None:
                raise self._error
            pieces, ended = self._decrypted()
            if pieces or ended:
                return b"".join(pieces)
            self._fill(deadline)

    def _decrypted(self) -> tuple[list[bytes], bool]:
        """Return what the records hold that have come, and whether that is the end, with close_notify or without."""
        pieces: list[bytes] = []
        try:
            while piece := self._tls.read(READ_SIZE):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            return pieces, False
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return pieces, True
        except OSError as error:
            if not pieces:
                raise
            self._error = error
        return pieces, True

    def send(self, data: bytes, deadline: float | None) -> None:
        """Send `data`, in pieces: encrypted as a whole, it would be in memory twice."""
        left = memoryview(data)
        while left:
            sent: int = self._run(deadline, self._tls.write, left[:READ_SIZE])
            left = left[sent:]

    def has_more(self) -> bool:
        """Whether records have come that were not read."""
        return bool(self._incoming.pending or self._tls.pending() or self._lower.has_more())

    def _run(self, deadline: float | None, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call `function`, as often as it wants to read something first, and send what comes of it."""
        while True:
            try:
                result = function(*arguments)
            except ssl.SSLWantReadError:
                self._fill(deadline)
            else:
                self._flush(deadline)
                return result

    def _fill(self, deadline: float | None) -> None:
        self._flush(deadline)
        data = self._lower.recv(deadline)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self, deadline: float | None) -> None:
        if self._outgoing.pending:
            self._lower.send(self._outgoing.read(), deadline)


def check(deadline: float | None) -> None:
    """Raise builtin TimeoutError when `deadline` has passed, whatever has come: a flood would always be faster."""
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeoutError


def milliseconds(deadline: float | None) -> int | None:
    """Return how long to poll for, a month at most."""
    return None if deadline is None else math.ceil(min(max(deadline - time.monotonic(), 0), 2_000_000) * 1000)


def poller(raw: socket.socket, *, write: bool) -> Callable[[int | None], object]:
    """Return a function that blocks until `raw` is ready, or for so many milliseconds."""
    if not HAS_POLL:  # pragma: no cover  # Windows
        reading, writing = ([], [raw]) if write else ([raw], [])
        return lambda left: select.select(reading, writing, [], None if left is None else left / 1000)
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLOUT if write else select.POLLIN)
    return poll.poll


def writable(numbers: list[int], left: int | None) -> list[int]:
    """Wait for so many milliseconds until sockets are writable or have failed, and return which."""
    if not HAS_POLL:  # pragma: no cover  # Windows, where a failure is an exceptional condition
        found = select.select([], numbers, numbers, None if left is None else left / 1000)
        return [*found[1], *found[2]]
    poll = select.poll()
    for number in numbers:
        poll.register(number, select.POLLOUT)
    return [number for number, _ in poll.poll(left)]
