"""The connection to a client, and the execution of an answer's steps on it."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

from ._plan import Step
from ._requests import HEAD_LIMIT

HEAD_START: Final = 0.02
"""Seconds before a reset in which the client can read what was sent."""
GOODBYE: Final = 0.5
"""Seconds to wait for the client's close_notify."""


class Reader(asyncio.StreamReader):
    """A stream reader that notices that the client has left, even while nothing is being read."""

    def __init__(self) -> None:
        super().__init__(limit=HEAD_LIMIT)
        self.left = asyncio.Event()

    def feed_eof(self) -> None:
        """Note the end of the stream: the client has closed its side, or the connection is lost."""
        super().feed_eof()
        self.left.set()

    def set_exception(self, exc: Exception) -> None:
        """Note that the connection was lost by an error."""
        super().set_exception(exc)
        self.left.set()


class Peer:
    """One connection to a client."""

    def __init__(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        # So that drain() waits for the kernel: a reset would discard whatever is still in the buffer.
        # Not 0, because then asyncio's TLS transport pauses forever.
        writer.transport.set_write_buffer_limits(high=1, low=0)

    @classmethod
    @asynccontextmanager
    async def of(cls, client: socket.socket, tls: ssl.SSLContext | None) -> AsyncGenerator[Self]:
        """Set up the connection with an accepted client, with its TLS handshake. On exit the connection is closed."""
        loop = asyncio.get_running_loop()
        reader = Reader()
        protocol = asyncio.StreamReaderProtocol(reader)
        options: dict[str, Any] = {} if tls is None else {"ssl": tls, "ssl_shutdown_timeout": GOODBYE}
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, **options)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            yield cls(reader, writer)
        finally:
            transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def perform(self, steps: Iterable[Step]) -> bool:
        """Execute the steps. Return whether the connection can serve another request.

        Raises OSError if the client has left.
        """
        for step in steps:
            if isinstance(step, bytes):
                await self._send(step)
            elif isinstance(step, str):
                await _STOPS[step](self)
                return False
            else:
                await self._pause(step)
        return True

    async def _send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        await asyncio.sleep(0)  # with drain() alone an endless answer would never yield to the loop

    async def _pause(self, seconds: float) -> None:
        if seconds:
            try:
                async with asyncio.timeout(seconds):
                    await self.reader.left.wait()
            except TimeoutError:
                return
            raise ConnectionResetError("the client has left")

    async def finish(self) -> None:
        """Close the connection properly, over TLS with close_notify."""
        self.writer.close()
        await self.writer.wait_closed()

    async def close(self) -> None:
        """Close the connection, over TLS without close_notify."""
        if self.writer.get_extra_info("sslcontext") is None:
            await self.finish()
        else:
            self.writer.transport.abort()

    async def reset(self) -> None:
        """Send RST, by closing with a linger time of zero (socket(7), SO_LINGER).

        A reset may discard data that the client has not read yet; `HEAD_START` makes that unlikely.
        """
        await asyncio.sleep(HEAD_START)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def stall(self) -> None:
        """Send nothing until the client leaves."""
        await self.reader.left.wait()


_STOPS: Final[dict[str, Callable[[Peer], Awaitable[None]]]] = {
    "finish": Peer.finish,
    "close": Peer.close,
    "truncate": Peer.close,
    "bad-chunk": Peer.close,
    "reset": Peer.reset,
    "stall": Peer.stall,
}
