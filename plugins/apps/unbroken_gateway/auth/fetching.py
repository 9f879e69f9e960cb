"""Fetch a small document of an issuer: one GET without redirects, bounded in size and time."""

from typing import Final

from unbroken.clock import Clock
from unbroken.messages import Request
from unbroken.transport import AsyncTransport, Opening

MAX_DOCUMENT: Final = 64 * 1024
"""Bytes."""
DEADLINE: Final = 5.0
"""Seconds for the whole exchange."""


class DocumentError(Exception):
    """The answer is not the document."""


async def fetch(transport: AsyncTransport, clock: Clock, url: str) -> bytes:
    """Return the body of a 200 answer.

    Raises DocumentError for another status, a redirect included, and for a body over `MAX_DOCUMENT`; builtin
    TimeoutError at `DEADLINE`; and the NetworkError of the transport.
    """
    deadline = clock.monotonic() + DEADLINE
    request = Request.build("GET", url, headers={"Accept": "application/jwk-set+json, application/json"}, stream=False)
    exchange = await transport.open(request, Opening(connect_deadline=deadline, deadline=deadline))
    try:
        status = exchange.response.status_code
        if status != 200:
            raise DocumentError(f"status {status}")
        body = bytearray()
        while chunk := await exchange.read(deadline):
            body += chunk
            if len(body) > MAX_DOCUMENT:
                raise DocumentError(f"more than {MAX_DOCUMENT} bytes")
    except BaseException:
        exchange.abort()
        raise
    await exchange.aclose()
    return bytes(body)
