"""Sockets that block their thread."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast, final

from .. import process
from . import CLOSED_HERE, Attempt, Socket, readable
from .layers import TLS, Layer, Plain, milliseconds, writable

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

    A thread that aborts a socket while another thread uses it only shuts it down. That wakes the other thread, which
    closes the socket: a descriptor that is closed during a system call may belong to a new socket by the next one.
    """

    __slots__ = ("_dead", "_layer", "_process", "_socket", "_user")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._layer: Layer = Plain(connected)
        self._process = process.current
        self._user: dict[str, int] = {}
        self._dead = False

    def recv(self, deadline: float | None) -> bytes:
        """Do as `read` does, without a coroutine."""
        self._enter()
        try:
            return self._layer.recv(deadline)
        finally:
            self._exit()

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes, ``b""`` at the end. Raises RuntimeError while another thread reads."""
        return self.recv(deadline)

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Send `data`."""
        self._enter()
        try:
            self._layer.send(data, deadline)
        finally:
            self._exit()

    async def start_tls(self, context: ssl.SSLContext, name: str, deadline: float | None) -> None:
        """Shake hands."""
        self._enter()
        try:
            self._layer = secure = TLS(self._layer, context, name)
            secure.handshake(deadline)
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

    def is_quiet(self) -> bool:
        """Whether it is open and there is nothing to read."""
        return not self._dead and not self._layer.has_more() and not readable(self._socket)

    def abort(self) -> None:
        """Close it at once, or wake the thread that uses it."""
        self._dead = True
        if self._process is process.current:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
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
        self.error = OSError(number, reason(number)) if number else None
        self.done = True

    def abort(self) -> None:
        """Wake the thread that waits."""
        with suppress(OSError):
            self.raw.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Close the socket."""
        self.raw.close()


def reason(number: int) -> str:
    """Return in words what an error number of a socket means; os.strerror does not know those of Windows."""
    known: Mapping[int, str] = getattr(socket, "errorTab", {})
    return known.get(number) or os.strerror(number)


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
