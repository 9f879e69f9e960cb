"""The limit: a socket, and a protocol of asyncio, that look for the end of the answer and at nothing else."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

Opened = Callable[[], Awaitable[None]]
END = b"\r\n0\r\n\r\n"


def request(base: str) -> bytes:
    path = urlsplit(base).path
    return f"POST {path}/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n".encode() + b'{"stream":true}'


class BareSocket:
    """As many connections as there are requests at a time."""

    kind = "http"

    def __init__(self, base: str, authority: str | None) -> None:
        self._url = urlsplit(base)
        self._request = request(base)
        self._idle: list[socket.socket] = []

    def pull(self) -> list[bytes]:
        used = self._idle.pop() if self._idle else socket.create_connection((self._url.hostname, self._url.port))
        used.sendall(self._request)
        pieces = [used.recv(65536)]
        # The end of the answer is in the last piece, or begins in the one before it.
        while not pieces[-1].endswith(END) and not b"".join(pieces[-2:]).endswith(END):
            pieces.append(used.recv(65536))
        self._idle.append(used)
        return pieces

    def close(self) -> None:
        for each in self._idle:
            each.close()


class Answer(asyncio.Protocol):
    """Collects what comes."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.begin()

    def begin(self) -> None:
        self.pieces: list[bytes] = []
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        if not self.opened.done():
            self.opened.set_result(None)
        if data.endswith(END) or b"".join(self.pieces[-2:]).endswith(END):
            self.ended.set_result(None)


class BareProtocol:
    """As many connections as there are requests at a time."""

    kind = "http"

    def __init__(self, base: str, authority: str | None) -> None:
        self._url = urlsplit(base)
        self._request = request(base)
        self._idle: list[tuple[asyncio.Transport, Answer]] = []

    async def pull(self, opened: Opened | None = None) -> list[bytes]:
        if self._idle:
            transport, answer = self._idle.pop()
            answer.begin()
        else:
            loop = asyncio.get_running_loop()
            transport, answer = await loop.create_connection(Answer, self._url.hostname, self._url.port)
        transport.write(self._request)
        await answer.opened
        if opened is not None:
            await opened()
        await answer.ended
        self._idle.append((transport, answer))
        return answer.pieces

    async def close(self) -> None:
        for transport, _ in self._idle:
            transport.abort()


SYNC = {"bare socket": BareSocket}
ASYNC = {"bare socket": BareProtocol}
