"""uvicorn's HTTP protocol with a deadline and a limit for the head of a request, which it does not have itself."""

import asyncio
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..exchange import ABORT

MOST_HEAD: Final = 64 * 1024
"""Bytes of a head that are read; the application refuses heads over its own smaller limit with a proper answer."""

_REFUSAL: Final = b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHead(HttpToolsProtocol):
    """Answers 408 to a head that is not complete in `head_deadline` seconds, and 431 to one without an end.

    The deadline counts from the first byte of a request and, for the first request, from the connection.
    """

    head_deadline: ClassVar[float] = 10.0
    _timer: asyncio.TimerHandle | None = None
    _head: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first head."""
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head, and start the deadline of a further one."""
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete or self._timer is not None:
            self._arm()
            self._head += len(data)
        super().data_received(data)
        # Only the parser knows where the head ended: one read can have a part of the body, too.
        if self._head > MOST_HEAD and self._in_head():
            self._refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """End the deadline, and let the application end the connection at once."""
        self._disarm()
        scope: Any = self.scope
        scope["extensions"] = {ABORT: self.transport.abort}
        super().on_headers_complete()
        # RFC 9112 §3.2.2: of an absolute target the host counts, not that of the Host header. There is no use for one.
        if not self.url.startswith(b"/"):
            scope["raw_path"] = self.url

    def connection_lost(self, exc: Exception | None) -> None:
        """End the deadline."""
        self._disarm()
        super().connection_lost(exc)

    def _in_head(self) -> bool:
        return self._timer is not None

    def _arm(self) -> None:
        if self._timer is None:
            self._head = 0
            self._timer = self.loop.call_later(self.head_deadline, self._refuse, b"408 Request Timeout")

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: bytes) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.write(_REFUSAL % status)
            self.transport.close()


def bounded_head(seconds: float) -> type[BoundedHead]:
    """Return the protocol with that deadline."""
    return type("BoundedHead", (BoundedHead,), {"head_deadline": seconds})
