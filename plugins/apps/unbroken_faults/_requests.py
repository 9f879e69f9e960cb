"""Read HTTP/1.1 requests from a stream (RFC 9112)."""

import asyncio
import json
from collections.abc import Iterable
from time import monotonic
from typing import Any, Final
from urllib.parse import parse_qs

from attrs import Factory, evolve, field, frozen

HEAD_LIMIT: Final = 1024 * 1024
"""The most bytes in the head of a request."""


class BadRequestError(ValueError):
    """The received bytes are not an HTTP/1.1 request."""


def _joined(raw_headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


@frozen(kw_only=True)
class ReceivedRequest:
    """One request as received. The repr omits headers, query and body, which contain keys and prompts."""

    number: int = 0
    """Counts from 1, over all connections."""
    connection: int = 0
    """Counts from 1; two requests with the same number shared a connection."""
    time: float = field(factory=monotonic)
    """When it had been read completely, in monotonic seconds."""
    method: str
    path: str
    """Without the query."""
    query: str = field(default="", repr=False)
    raw_headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    """The headers as sent, with order, case and duplicates."""
    headers: dict[str, str] = field(
        init=False, repr=False, default=Factory(lambda self: _joined(self.raw_headers), takes_self=True)
    )
    """The headers by lower-case name; the values of duplicates are joined by ``, ``."""
    body: bytes = field(default=b"", repr=False)

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to keep the connection open."""
        return self.headers.get("connection", "").lower() != "close"

    def json(self) -> Any:
        """Return the decoded body. Raises ValueError for invalid JSON."""
        return json.loads(self.body)

    def asked_fault(self) -> str | None:
        """Return the fault that the request asks for, by ``x-unbroken-fault`` or ``?fault=``, else None."""
        return self.headers.get("x-unbroken-fault") or parse_qs(self.query).get("fault", [None])[0]


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> ReceivedRequest | None:
    """Return the next request, None if the client has closed the connection instead.

    Raises BadRequestError, IncompleteReadError (the client has left in the middle of a request) and OSError.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    except asyncio.LimitOverrunError:
        raise BadRequestError(f"the head of the request is longer than {HEAD_LIMIT} bytes") from None
    request = _parse(head)
    if request.headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await _body(reader, request.headers)
    return evolve(request, body=body, time=monotonic())


def _parse(head: bytes) -> ReceivedRequest:
    line, *fields = head[:-4].split(b"\r\n")
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.1", "HTTP/1.0"}:
        raise BadRequestError(f"{line[:80]!r} is not the first line of an HTTP/1.1 request")
    path, _, query = words[1].partition("?")
    pairs = [text.partition(b":") for text in fields]
    raw = tuple((name, value.strip()) for name, _, value in pairs)
    return ReceivedRequest(method=words[0], path=path, query=query, raw_headers=raw)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    try:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await _chunks(reader)
        return await reader.readexactly(int(headers.get("content-length", "0")))
    except ValueError as error:
        raise BadRequestError(f"the request has no proper length: {error}") from None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return bytes(body)
