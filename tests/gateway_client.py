"""A client of HTTP/1.1 that sees each byte: whether an answer is complete, and where it was cut."""

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

from attrs import define, field

BODIES: dict[str, dict[str, Any]] = {
    "/v1/messages": {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]},
    "/v1/chat/completions": {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]},
}
PATHS = tuple(BODIES)
"""The routes for which the fault server has answers."""
PROOFS = {"/v1/messages": "message_stop", "/v1/chat/completions": "[DONE]"}


T = TypeVar("T")
_replies: "list[Reply]" = []


@define(eq=False)
class Reply:
    """An answer while it arrives."""

    path: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict[str, str] = field(factory=dict[str, str])
    body: bytes = b""
    complete: bool = False
    """Whether the end of the body has come."""

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding") == "chunked"

    async def head(self) -> "Reply":
        """Wait for the head. Without one the status stays 0."""
        try:
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            return self
        first, *lines = text.strip().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return self

    async def part(self) -> bool:
        """Wait for a part of the body. Returns False at its end, and when the connection ends before."""
        try:
            if not self.chunked:
                self.body += await self.reader.readexactly(int(self.headers.get("content-length", 0)))
                self.complete = True
                return False
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            part = (await self.reader.readexactly(size + 2))[:-2]
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            return False
        self.body += part
        self.complete = not size
        return size > 0

    async def until(self, text: bytes) -> "Reply":
        """Read until `text` is in the body, or to its end."""
        while text not in self.body and await self.part():
            pass
        return self

    async def whole(self) -> "Reply":
        """Read to the end, and close the connection."""
        if not self.status:
            await self.head()
        while self.status and await self.part():
            pass
        self.leave()
        return self

    def leave(self) -> None:
        """Close the connection."""
        self.writer.close()

    async def closed(self) -> None:
        """Close the connection and wait until it is."""
        self.leave()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def json(self) -> Any:
        return json.loads(self.body)


async def send(url: str, data: bytes, path: str = "") -> Reply:
    """Open a connection and send `data` as it is."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**24)
    writer.write(data)
    reply = Reply(path, reader, writer)
    _replies.append(reply)
    return reply


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run `story`, then close all connections that it left open."""

    async def told() -> T:
        try:
            return await story
        finally:
            await asyncio.gather(*(reply.closed() for reply in _replies))
            _replies.clear()

    return asyncio.run(told())


async def admitted(url: str, key: str, path: str, **more: Any) -> Reply:
    """Ask as the SDKs do: again where it is said to help, as while a state of several workers is too slow for it."""
    while True:
        reply = await (await ask(url, key, path, **more)).head()
        if reply.status != 503:
            return reply
        await reply.whole()


async def ask(
    url: str,
    key: str,
    path: str = "/v1/messages",
    body: Any = None,
    headers: dict[str, str] | None = None,
    method: str = "POST",
) -> Reply:
    """Send a request; `body` adds to the usual body of a stream of the path, or is bytes."""
    usual = {**BODIES.get(path, {}), "stream": True}
    raw = body if isinstance(body, bytes) else json.dumps({**usual, **(body or {})}).encode()
    fields = {"host": "localhost", "authorization": f"Bearer {key}", "connection": "close"}
    if method == "POST":
        fields |= {"content-type": "application/json", "content-length": str(len(raw))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**fields, **(headers or {})}.items())
    head = f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()
    return await send(url, head + (raw if method == "POST" else b""), path)
