"""TLS to a server within TLS to a proxy, for threads: Python's own TLS sockets cannot be nested."""

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, final

from . import READ_SIZE


@final
class InnerTLS:
    """TLS over a socket that speaks TLS. It has those methods of a socket that `SyncSocket` uses."""

    def __init__(self, outer: socket.socket, context: ssl.SSLContext, name: str) -> None:
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._deadline: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        """Limit what is done next, all its reads and writes together."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def do_handshake(self) -> None:
        """Shake hands. Raises OSError; builtin TimeoutError past the limit."""
        self._run(self._tls.do_handshake)

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes, ``b""`` at the end."""
        try:
            received: bytes = self._run(self._tls.read, size)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        return received

    def send(self, data: memoryview) -> int:
        """Send a part of `data` and return its length."""
        sent: int = self._run(self._tls.write, data)
        return sent

    def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        while True:
            try:
                result = function(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                self._arm()
                data = self._outer.recv(READ_SIZE)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        left = memoryview(self._outgoing.read())
        while left:
            self._arm()
            left = left[self._outer.send(left) :]

    def _arm(self) -> None:
        left = None if self._deadline is None else self._deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._outer.settimeout(left)
