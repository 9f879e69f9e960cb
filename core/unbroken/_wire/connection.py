"""One connection, and the exchange that it serves."""

import builtins
from typing import Final, final

from .head import Head, Malformed
from .parser import ResponseParser
from .route import Key
from .sockets import Socket

DRAIN_BYTES: Final = 64 * 1024
"""How much of a body is read to save its connection."""


@final
class Connection:
    """A connection that serves one exchange after the other. It closes itself when it is dropped."""

    __slots__ = ("__weakref__", "early", "idle_since", "key", "parser", "received", "socket")

    def __init__(self, socket: Socket, key: Key) -> None:
        self.socket = socket
        self.key = key
        self.parser = ResponseParser()
        self.received = False
        """Whether any byte of the present response came."""
        self.idle_since = 0.0
        self.early = b""
        """What came of the body together with the head."""

    async def send(self, request: bytes, deadline: float | None, *, bodyless: bool = False) -> Head:
        """Send `request` and return the head of the response. Raises OSError, Malformed, builtin TimeoutError."""
        self.received, self.early = False, b""
        parser = self.parser = ResponseParser(bodyless=bodyless)
        unsent = await self._write(request, deadline)
        while parser.head is None:
            try:
                data = await self.socket.read(deadline)
            except OSError as error:
                raise unsent or error from error
            if data:
                self.received = True
                self.early = parser.feed(data)
            else:
                parser.end()
        if unsent is not None:
            parser.reusable = False
        return parser.head

    async def _write(self, request: bytes, deadline: float | None) -> OSError | None:
        """Send `request`. Returns the failure, behind which there may be an answer to a part of the request."""
        try:
            await self.socket.write(request, deadline)
        except OSError as error:
            if isinstance(error, builtins.TimeoutError) and error.errno is None:
                raise
            return error
        return None

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes of the body, ``b""`` at its end. Raises OSError, Malformed, builtin TimeoutError."""
        parser = self.parser
        if self.early:
            return self.take_early()
        while not parser.done:
            if parser.error is not None:
                raise parser.error
            data = await self.socket.read(deadline)
            data = parser.feed(data) if data else parser.end()
            if data:
                return data
        return b""

    def take_early(self) -> bytes:
        """Return what came together with the head, once."""
        early, self.early = self.early, b""
        return early

    async def drain(self, deadline: float) -> bool:
        """Read the body to its end if that comes soon. Returns whether the connection can be used again."""
        seen = 0
        try:
            while seen < DRAIN_BYTES and (data := await self.read(deadline)):
                seen += len(data)
        except (OSError, Malformed):
            return False
        return self.parser.done and self.parser.reusable

    def usable(self) -> bool:
        """Whether nothing has come that was not asked for, the end of the connection included."""
        return self.socket.is_quiet()

    def close(self) -> None:
        """Close the connection at once, in any thread."""
        self.socket.abort()

    abort = close

    def __del__(self) -> None:
        self.socket.abort()
