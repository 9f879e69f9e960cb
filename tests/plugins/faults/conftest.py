"""A raw client, whose parser is h11, and a guard: no test logs a warning or leaves a thread behind."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import attrs
import h11
import pytest

from unbroken_faults import FaultServer

STREAM = {"model": "claude-test", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}


@attrs.define
class Seen:
    """What a client saw of one answer, and how it ended: complete, eof, reset, silence or nonsense."""

    raw: bytes = b""
    status: int | None = None
    hints: int = 0
    headers: list[tuple[str, str]] = attrs.Factory(list)
    body: bytes = b""
    ending: str = ""

    @property
    def events(self) -> list[str]:
        blocks = self.body.decode(errors="replace").split("\n\n")[:-1]
        return [line[7:] for block in blocks for line in block.split("\n") if line.startswith("event: ")]

    @property
    def text(self) -> str:
        data = [json.loads(line[6:]) for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return "".join(each["delta"]["text"] for each in data if each["type"] == "content_block_delta")

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class RawClient:
    """One connection, as bytes."""

    def __init__(self, server: FaultServer, timeout: float) -> None:
        url = urlsplit(server.url)
        self.socket = socket.create_connection((url.hostname, url.port), timeout=timeout)

    def send(self, body: object = STREAM, path: str = "/v1/messages", method: str = "POST", extra: str = "") -> None:
        content = json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: test\r\n{extra}Content-Length: {len(content)}\r\n\r\n"
        self.socket.sendall(head.encode() + content)

    def receive(self, limit: int = 10_000_000) -> Seen:
        seen = Seen()
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1_000_000)
        parser.send(h11.Request(method="POST", target="/", headers=[("Host", "test")]))
        parser.send(h11.EndOfMessage())
        while not seen.ending and len(seen.raw) < limit:
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                seen.ending = "silence"
            except ConnectionResetError:
                seen.ending = "reset"
            else:
                seen.raw += data
                seen.ending = self._feed(parser, data, seen)
        return seen

    def _feed(self, parser: h11.Connection, data: bytes, seen: Seen) -> str:
        try:
            parser.receive_data(data)
            while (event := parser.next_event()) is not h11.NEED_DATA:
                match event:
                    case h11.InformationalResponse():
                        seen.hints += 1
                    case h11.Response():
                        seen.status = event.status_code
                        seen.headers = [(name.decode(), value.decode()) for name, value in event.headers]
                    case h11.Data():
                        seen.body += bytes(event.data)
                    case h11.EndOfMessage():
                        return "complete"
                    case _:
                        return "eof"
        except h11.RemoteProtocolError:
            return "nonsense" if data else "eof"
        return ""


@pytest.fixture
def connect() -> Iterator[Callable[..., RawClient]]:
    clients: list[RawClient] = []

    def connect(server: FaultServer, timeout: float = 5.0) -> RawClient:
        clients.append(RawClient(server, timeout))
        return clients[-1]

    yield connect
    for client in clients:
        client.socket.close()


@pytest.fixture
def ask(connect) -> Callable[..., Seen]:
    """Send one request on a connection of its own; `silence` is how long to wait for nothing."""

    def ask(server: FaultServer, *, silence: float = 5.0, limit: int = 10_000_000, **request: object) -> Seen:
        client = connect(server, silence)
        client.send(**request)
        seen = client.receive(limit)
        client.socket.close()
        return seen

    return ask


@pytest.fixture(autouse=True)
def quiet(caplog) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert [each for each in threading.enumerate() if each.name == "unbroken-faults"] == []
