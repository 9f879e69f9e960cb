"""Sockets of a trio run. Imported under trio alone."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast, final

import trio

from .. import process
from . import CLOSED_HERE, READ_SIZE, Attempt, Socket, readable
from .sync import SyncAttempt


def limit(deadline: float | None) -> trio.CancelScope:
    """Return a scope that ends at `deadline`, which is in monotonic seconds."""
    if deadline is None:
        return trio.CancelScope()
    return trio.CancelScope(deadline=trio.current_time() + deadline - time.monotonic())


@final
class TrioGate:
    """A gate of one task."""

    __slots__ = ("_event", "_thread", "_token")

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token
        self._thread = threading.get_ident()
        self._event = trio.Event()

    async def wait(self, deadline: float | None) -> None:
        """Return when the gate is open. Raises builtin TimeoutError at `deadline`."""
        with limit(deadline):
            await self._event.wait()
            return
        raise TimeoutError

    def release(self) -> None:
        """Let the waiter through."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._event.set)

    abort = release


@final
class TrioSocket:
    """A stream of trio's."""

    __slots__ = ("_dead", "_process", "_raw", "_reading", "_stream", "_thread", "_token", "_wire")

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._wire = trio.socket.from_stdlib_socket(raw)
        self._stream: trio.SocketStream | trio.SSLStream[Any] = trio.SocketStream(self._wire)
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.get_ident()
        self._process = process.current
        self._dead = self._reading = False

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes, ``b""`` at the end. Raises RuntimeError while another task reads."""
        if self._reading:
            raise RuntimeError("another task reads this stream")
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError
        self._reading = True
        try:
            return bytes(await self._within(deadline, self._stream.receive_some, READ_SIZE))
        finally:
            self._reading = False

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Send `data`."""
        await self._within(deadline, self._stream.send_all, data)

    async def start_tls(self, context: ssl.SSLContext, name: str, deadline: float | None) -> None:
        """Shake hands."""
        self._stream = secure = trio.SSLStream(self._stream, context, server_hostname=name, https_compatible=True)
        await self._within(deadline, secure.do_handshake)

    async def _within(self, deadline: float | None, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call `function` against `deadline`, and raise the cause of trio's errors."""
        if self._dead or self._process is not process.current:
            raise ConnectionAbortedError(CLOSED_HERE)
        try:
            with limit(deadline):
                return await function(*arguments)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise _cause(error) from error
        raise TimeoutError

    def is_quiet(self) -> bool:
        """Whether it is open and there is nothing to read."""
        return not self._dead and self._process is process.current and not readable(self._raw)

    def abort(self) -> None:
        """Close the socket at once; from another thread, as soon as trio gets to it."""
        self._dead = True
        if self._process is not process.current:
            self._raw.close()
            return
        try:
            if threading.get_ident() == self._thread:
                self._wire.close()
            else:
                self._token.run_sync_soon(self._wire.close)
        except RuntimeError:  # the run is over
            self._raw.close()


def _cause(error: BaseException) -> OSError:
    """Return the OSError that trio has wrapped."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError):
        return cause
    return ConnectionError(str(error) or CLOSED_HERE)


@final
class TrioNetwork:
    """A run of trio."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token

    def gate(self) -> TrioGate:
        """Return a new gate."""
        return TrioGate(self._token)

    def begin(self, raw: socket.socket, address: Any) -> Attempt:
        """Begin to connect."""
        return SyncAttempt(raw, address)

    async def wait(self, attempts: Sequence[Attempt], until: float | None) -> None:
        """Return when one of `attempts` is done, or at `until`."""

        async def one(attempt: SyncAttempt, scope: trio.CancelScope) -> None:
            with suppress(trio.ClosedResourceError):
                await trio.lowlevel.wait_writable(attempt.raw)
            attempt.look()
            scope.cancel()

        with limit(until) as scope:
            async with trio.open_nursery() as nursery:
                for attempt in attempts:
                    nursery.start_soon(one, cast(SyncAttempt, attempt), scope)

    async def adopt(self, attempt: Attempt) -> Socket:
        """Return the socket of an attempt that has succeeded."""
        return TrioSocket(attempt.raw)

    def call(self, function: Callable[[], object]) -> None:
        """Call `function` in the run. Raises RuntimeError when the run is over."""
        self._token.run_sync_soon(function)

    def is_over(self) -> bool:
        """Whether the run is over."""
        try:
            self._token.run_sync_soon(int)
        except trio.RunFinishedError:
            return True
        return False
