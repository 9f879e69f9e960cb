"""Sockets of an asyncio event loop."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from typing import Any, Final, cast, final

from .. import process
from . import BUFFER, CLOSED_HERE, readable

_INHERITED: Final[list[object]] = []
"""Transports of a parent process: their finalisers would warn, and nothing of them may be used."""


def limit(deadline: float | None) -> Any:
    """Return a context that raises builtin TimeoutError at `deadline`."""
    if deadline is None:
        return contextlib.nullcontext()
    return asyncio.timeout(max(deadline - time.monotonic(), 0))


@final
class AsyncioSocket(asyncio.Protocol):
    """A transport and what came of it."""

    __slots__ = (
        "_armed",
        "_buffer",
        "_deadline",
        "_ended",
        "_error",
        "_loop",
        "_paused",
        "_plain",
        "_process",
        "_raw",
        "_size",
        "_thread",
        "_timer",
        "_transport",
        "_waiter",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, raw: socket.socket) -> None:
        self._loop = loop
        self._raw = raw
        self._thread = threading.get_ident()
        self._process = process.current
        self._buffer: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed = 0.0
        """The deadline for which the timer was armed."""
        self._deadline: float | None = None
        """The deadline of the present read."""
        self._ended = self._paused = False
        self._error: Exception | None = None
        self._transport: asyncio.Transport
        self._plain: asyncio.Transport

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = self._plain = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Buffer `data`, and stop reading when there is too much of it. uvloop calls this many times in one turn."""
        self._buffer.append(data)
        self._size += len(data)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        elif self._size > BUFFER and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """End politely; the transport closes itself."""
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._end(exc)

    def _end(self, error: Exception | None) -> None:
        self._error = self._error or error
        self._ended = True
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # Called by the exchange.

    async def read(self, deadline: float | None) -> bytes:
        """Return all that has come, ``b""`` at the end. Raises RuntimeError while another task reads."""
        if self._process is not process.current:
            raise ConnectionAbortedError(CLOSED_HERE)
        if self._waiter is not None:
            raise RuntimeError("another task reads this stream")
        left = 0.0
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:  # whatever has come: a flood would always be faster than a timer
                raise TimeoutError
        buffer = self._buffer
        if not buffer and not self._ended:
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            await self._wait(deadline, left)
        if buffer:
            data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
            buffer.clear()
            self._size = 0
            return data
        if self._error is not None:
            raise self._error
        return b""

    async def _wait(self, deadline: float | None, left: float) -> None:
        waiter = self._waiter = self._loop.create_future()
        self._deadline = deadline
        if deadline is not None:
            if self._timer is None:
                self._arm(deadline, left)
            elif self._armed > deadline:
                self._timer.cancel()
                self._arm(deadline, left)
        try:
            await waiter
        finally:
            self._waiter = None

    def _tick(self) -> None:
        """Look whether the deadline has passed: the timer is armed again only here, not with every read."""
        self._timer = None
        waiter, deadline = self._waiter, self._deadline
        if waiter is None or waiter.done() or deadline is None:
            return
        left = deadline - time.monotonic()
        if left > 0:
            self._arm(deadline, left)
        else:
            waiter.set_exception(TimeoutError())

    def _arm(self, deadline: float, left: float) -> None:
        self._armed = deadline
        self._timer = self._loop.call_later(left, self._tick)

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Hand `data` to the transport, which sends it while the answer is waited for."""
        if self._ended or self._process is not process.current:
            raise self._error or ConnectionAbortedError(CLOSED_HERE)
        self._transport.write(data)

    async def start_tls(self, context: ssl.SSLContext, name: str, deadline: float | None) -> None:
        """Shake hands."""
        patience = 86_400.0 if deadline is None else max(deadline - time.monotonic(), 0) + 1
        async with limit(deadline):
            transport = await self._loop.start_tls(
                self._transport, self, context, server_hostname=name, ssl_handshake_timeout=patience
            )
        if self._ended or transport is None:
            raise self._error or ConnectionAbortedError(CLOSED_HERE)
        self._transport = transport

    def is_quiet(self) -> bool:
        """Whether it is open, everything was sent and there is nothing to read."""
        if self._ended or self._buffer or self._process is not process.current or self._loop.is_closed():
            return False
        unsent = self._transport.get_write_buffer_size() or self._plain.get_write_buffer_size()
        return not unsent and not readable(self._raw)

    def abort(self) -> None:
        """Close the transport at once; from another thread, as soon as the loop gets to it."""
        if self._process is not process.current:
            # Nothing but the descriptor: the selector is shared with the parent.
            _INHERITED.append(self)
            self._raw.close()
            return
        try:
            if threading.get_ident() == self._thread:
                self._abort()
            else:
                self._loop.call_soon_threadsafe(self._abort)
        except RuntimeError:  # the loop is closed
            self._raw.close()

    def _abort(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._ended:
            self._end(ConnectionAbortedError(CLOSED_HERE))
        self._transport.abort()
