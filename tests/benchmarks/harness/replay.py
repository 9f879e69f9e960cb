"""The server: ``python -m harness.replay [CERTIFICATE]``, led by lines of standard input.

A path says how the answer is sent, and its end which API it is:

``/burst/EVENTS/PER_WRITE/…``: as fast as it goes.
``/apart/EVENTS/MICROSECONDS/…``: each event after a pause, and when the one before it has been read.
``/held/EVENTS/MILLISECONDS/…``: the first events and, when all are told to ``go``, one after each pause.

``count`` prints how many connections were made since it was asked last.
"""

import asyncio
import functools
import ssl
import sys
import time
from typing import cast

from .payloads import APIS, OPENING, writes
from .unread import unread


@functools.cache
def answer(api: str, events: int, per_write: int) -> list[bytes]:
    """Return the writes of an answer. Each is encoded once."""
    return writes(APIS[api](events), per_write)


class Server:
    """What the connections share."""

    def __init__(self) -> None:
        self.connections = 0
        self.left = asyncio.Event()
        self.held: list[tuple[Connection, list[bytes], float]] = []

    def obey(self) -> None:
        """Do what the next line of standard input says."""
        match sys.stdin.readline().strip():
            case "count":
                print(self.connections, flush=True)
                self.connections = 0
            case "go":
                held, self.held = self.held, []
                for place, (connection, pieces, gap) in enumerate(held):
                    connection.later(gap * (1 + place / len(held)), pieces, gap)
                print(len(held), flush=True)
            case _:
                self.left.set()


class Connection(asyncio.Protocol):
    """Answers one request after the other."""

    transport: asyncio.Transport

    def __init__(self, server: Server, context: ssl.SSLContext | None) -> None:
        self._server = server
        self._received = b""
        self._tls: ssl.SSLObject | None = None
        if context is not None:
            self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._greeted = context is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._server.connections += 1

    def data_received(self, data: bytes) -> None:
        self._received += data if self._tls is None else self._decrypted(data)
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0):
            self._received = b""
            self._answer(head.split(b" ", 2)[1].decode())

    def _decrypted(self, data: bytes) -> bytes:
        """Return what arrived; one record for each write leaves through `_send`."""
        assert self._tls is not None
        self._in.write(data)
        found = b""
        try:
            if not self._greeted:
                self._tls.do_handshake()
                self._greeted = True
            while piece := self._tls.read(65536):
                found += piece
            self.transport.close()
        except ssl.SSLWantReadError:
            self.transport.write(self._out.read())
        except ssl.SSLError:
            self.transport.close()
        return found

    def _send(self, piece: bytes) -> None:
        if self._tls is not None:
            self._tls.write(piece)
            piece = self._out.read()
        self.transport.write(piece)

    def _answer(self, path: str) -> None:
        how, events, number = path.strip("/").split("/")[:3]
        api = "openai" if path.endswith("/chat/completions") else "anthropic"
        if how == "burst":
            for piece in answer(api, int(events), int(number)):
                self._send(piece)
        elif how == "apart":
            self._send_apart(answer(api, int(events), 1), int(number) / 1e6)
        else:
            pieces = answer(api, int(events), 1)
            self._send(b"".join(pieces[:OPENING]))
            self._server.held.append((self, pieces[OPENING:][::-1], int(number) / 1e3))

    def _send_apart(self, pieces: list[bytes], pause: float) -> None:
        """Send each piece when the one before it has been read."""
        here, there = (self.transport.get_extra_info(name) for name in ("sockname", "peername"))
        for piece in pieces:
            while unread(here, there):
                time.sleep(pause / 10)
            self._send(piece)
            time.sleep(pause)

    def later(self, seconds: float, pieces: list[bytes], gap: float) -> None:
        """Send the last of `pieces` after `seconds`, the one before it after another `gap`, and so on."""
        asyncio.get_running_loop().call_later(seconds, self._next, pieces[:], gap)

    def _next(self, pieces: list[bytes], gap: float) -> None:
        self._send(pieces.pop())
        if pieces and not self.transport.is_closing():
            asyncio.get_running_loop().call_later(gap, self._next, pieces, gap)


async def serve(certificate: str | None) -> None:
    loop = asyncio.get_running_loop()
    server = Server()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    ports = []
    for tls in (None, context):
        listener = await loop.create_server(functools.partial(Connection, server, tls), "127.0.0.1", 0, backlog=8192)
        ports.append(listener.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    loop.add_reader(sys.stdin, server.obey)
    await server.left.wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1] if len(sys.argv) > 1 else None))
