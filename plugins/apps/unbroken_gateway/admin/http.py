"""The ASGI that the admin port needs."""

import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_BODY: Final = 16_384
"""Bytes of a request."""


class BadRequest(Exception):
    """The request is answered with `status` and its text; `wait` is the number of seconds for ``retry-after``."""

    def __init__(self, status: int, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.status = status
        self.headers = ((b"retry-after", b"%d" % math.ceil(wait)),) if wait else ()


async def answer(
    send: Send, status: int, body: bytes, kind: str, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send a whole response."""
    head = [
        (b"content-type", kind.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def answer_json(send: Send, status: int, value: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Send JSON."""
    await answer(send, status, msgspec.json.encode(value), "application/json", headers)


async def read_object(receive: Receive) -> dict[str, Any]:
    """Return the JSON object in the body; an empty one for no body. Raises BadRequest."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest(400, "the body is not complete")
        body += message.get("body", b"")
        if len(body) > MOST_BODY:
            raise BadRequest(413, "the body is too large")
        if not message.get("more_body"):
            break
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest(400, "the body must be a JSON object") from None
