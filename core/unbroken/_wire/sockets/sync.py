"""Sockets that block their thread."""

import math
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast, final

from .. import process
from . import CLOSED_HERE, HAS_POLL, READ_SIZE, Attempt, Socket, readable
from .inner_tls import InnerTLS

T = TypeVar("T")
P = ParamSpec("P")


def run(function: Callable[P, Coroutine[Any, Any, T]], *arguments: P.args, **named: P.kwargs) -> T:
    """Run a coroutine function that never waits in an await, and return its result."""
    try:
        function(*arguments, **named).send(None)
    except StopIteration as end:
        return cast(T, end.value)
    raise RuntimeError("a coroutine of the sync backend has waited")  # pragma: no cover  # nothing here does


@final
class SyncGate:
    """A gate that blocks. A lock is acquired and released in one call into C each, which nothing can interrupt."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    async def wait(self, deadline: float | None) -> None:
        """Block until the gate is open. Raises builtin TimeoutError at `deadline`."""
        seconds = -1.0 if deadline is None else min(max(deadline - time.monotonic(), 0), threading.TIMEOUT_MAX)
        if not self._lock.acquire(timeout=seconds):
            raise TimeoutError

    def release(self) -> None:
        """Let the waiter through."""
        with suppress(RuntimeError):  # it is open
            self._lock.release()

    abort = release


@final
class SyncSocket:
    """A socket of a thread.

    A thread that aborts a socket while another one uses it only shuts it down, which wakes the other, and the other
    closes it: a descriptor that was closed under a system call may be somebody else's by the time of the next.
    """

    __slots__ = ("_dead", "_process", "_readable", "_secure", "_socket", "_stream", "_user")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        """What is shut down and closed."""
        self._stream: socket.socket | InnerTLS = connected
        """What is read and written."""
        connected.setblocking(False)
        self._readable = poller(connected, write=False)
        self._secure = False
        self._process = process.current
        self._user: dict[str, int] = {}
        self._dead = False

    def recv(self, deadline: float | None) -> bytes:
        """Do as `read` does, without a coroutine."""
        self._enter()
        try:
            while True:
                self._arm(deadline)
                try:
                    return self._stream.recv(READ_SIZE)
                except BlockingIOError:
                    self._wait(self._readable, deadline)
        finally:
            self._exit()

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes, ``b""`` at the end. Raises RuntimeError while another thread reads."""
        return self.recv(deadline)

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Send `data`."""
        self._enter()
        try:
            left = memoryview(data)
            while left:
                self._arm(deadline)
                try:
                    left = left[self._stream.send(left) :]
                except BlockingIOError:
                    self._wait(poller(self._socket, write=True), deadline)
        finally:
            self._exit()

    async def start_tls(self, context: ssl.SSLContext, name: str, deadline: float | None) -> None:
        """Shake hands."""
        self._enter()
        try:
            self._arm(deadline)
            if isinstance(self._socket, ssl.SSLSocket):
                secure: ssl.SSLSocket | InnerTLS = InnerTLS(self._socket, context, name)
            else:
                # It takes the descriptor over. Who shut down the socket before that has set `_dead`.
                self._socket = secure = context.wrap_socket(
                    self._socket, server_hostname=name, do_handshake_on_connect=False
                )
            self._stream, self._secure = secure, True
            if self._dead:
                raise ConnectionAbortedError(CLOSED_HERE)
            self._arm(deadline)
            secure.do_handshake()
        finally:
            self._exit()

    def _enter(self) -> None:
        me = threading.get_ident()
        if self._user.setdefault("thread", me) != me:
            raise RuntimeError("another thread reads this stream")
        if self._dead or self._process is not process.current:
            self._exit()
            raise ConnectionAbortedError(CLOSED_HERE)

    def _exit(self) -> None:
        self._user.clear()
        if self._dead:
            self._socket.close()

    def _arm(self, deadline: float | None) -> None:
        """Check the deadline, and with TLS hand it to the socket."""
        left = None
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
        if self._secure:
            self._stream.settimeout(left)

    def _wait(self, poll: Callable[[int | None], object], deadline: float | None) -> None:
        """Block until a plain socket is ready, or until `deadline`.

        Python's own timeouts would cost two system calls more for each read, also when there is something to read.
        """
        poll(milliseconds(deadline))

    def is_quiet(self) -> bool:
        """Whether it is open and there is nothing to read."""
        return not self._dead and not readable(self._socket)

    def abort(self) -> None:
        """Close it at once, or wake the thread that uses it."""
        self._dead = True
        if self._process is process.current:
            # Not by the method of ssl.SSLSocket, after which a reader would read on without TLS.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        if self._user.get("thread", threading.get_ident()) == threading.get_ident():
            self._socket.close()


@final
class SyncAttempt:
    """A socket that is being connected."""

    __slots__ = ("done", "error", "raw")

    def __init__(self, raw: socket.socket, address: Any) -> None:
        self.raw = raw
        self.done = False
        self.error: OSError | None = None
        raw.setblocking(False)
        try:
            raw.connect(address)
        except BlockingIOError:
            return
        except OSError as error:
            self.error = error
        self.done = True

    def look(self) -> None:
        """Note the end of the attempt, which has come."""
        number = self.raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.error = OSError(number, os.strerror(number)) if number else None
        self.done = True

    def abort(self) -> None:
        """Wake the thread that waits."""
        with suppress(OSError):
            self.raw.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Close the socket."""
        self.raw.close()


@final
class SyncNetwork:
    """Threads."""

    gate: Any = staticmethod(SyncGate)
    begin: Any = staticmethod(SyncAttempt)

    async def wait(self, attempts: Sequence[Attempt], until: float | None) -> None:
        """Block until one of `attempts` is done, or `until`."""
        by_number = {attempt.raw.fileno(): cast(SyncAttempt, attempt) for attempt in attempts}
        for number in writable(list(by_number), milliseconds(until)):
            by_number[number].look()

    async def adopt(self, attempt: Attempt) -> Socket:
        """Return the socket of an attempt that has succeeded."""
        return SyncSocket(attempt.raw)


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
