"""What both backends share: the ticket of an exchange, requests, responses, errors."""

import builtins
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import h11
import httpcore
import httpx
from attrs import define, field

from ..errors import NetworkError, TimeoutError
from ..headers import Headers
from ..messages import Request, Response
from ..transport import Opening

TICKET: Final = "unbroken"
"""The request extension under which a ticket travels through httpx and httpcore."""

DRAIN_BYTES: Final = 64 * 1024
PIECE: Final = 64 * 1024
"""The most bytes that are written at once; between two pieces the deadline is looked at."""

UNUSABLE: Final = (
    h11.LocalProtocolError,
    httpcore.LocalProtocolError,
    httpcore.UnsupportedProtocol,
    httpx.InvalidURL,
    UnicodeError,  # of a host that IDNA cannot encode
)
"""What is wrong with the request itself."""
FAILURES: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    OSError,  # ssl.SSLError within a stream, which httpcore does not translate under asyncio
    *UNUSABLE,
)
TIMEOUTS: Final = (httpcore.ConnectTimeout, httpcore.ReadTimeout, httpcore.WriteTimeout)


@define(eq=False)
class Ticket:
    """One exchange on its way through the pool."""

    opening: Opening
    deadline: float | None = field(init=False)
    """The deadline in force."""
    body: Any = None
    reused: bool = False
    """Whether the connection has served before."""
    received: bool = False
    """Whether any byte of a response came."""

    def __attrs_post_init__(self) -> None:
        self.deadline = self.opening.connect_deadline

    def connected(self) -> None:
        """The connection stands: from now on the time for the head counts."""
        if self.opening.phase == "connect":
            self.opening.phase = "headers"
            self.deadline = self.opening.deadline

    def remaining(self, error: type[Exception]) -> float | None:
        """Return the seconds until the deadline. Raises `error` past it."""
        if self.deadline is None:
            return None
        left = self.deadline - now()
        if left <= 0:
            raise error("the deadline has passed")
        return left

    def stale(self, error: Exception) -> bool:
        """Whether `error` says no more than that a kept connection was closed by the server meanwhile."""
        return self.reused and not self.received and isinstance(unwrapped(error), FAILURES)


def now() -> float:
    """Return the time in which deadlines are given."""
    return time.monotonic()


def http_request(request: Request, ticket: Ticket) -> httpx.Request:
    """Make httpx's request; only its pool timeout is httpx's own."""
    left = ticket.remaining(httpcore.ConnectTimeout)
    made = httpx.Request(
        request.method,
        request.url,
        headers=list(request.headers.items_raw),
        content=request.content,
        extensions={TICKET: ticket, "timeout": {"pool": left}},
    )
    made.stream = Content(request.content)
    return made


class Content(httpx.ByteStream):
    """The body of a request. httpx's own is an async generator, which an upload that is cancelled leaves half-way."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._left = [content]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


def http_response(response: httpx.Response) -> Response:
    """Keep the head. Field values are latin-1 on the wire (RFC 9110 §5.5)."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw]
    version = response.extensions.get("http_version", b"HTTP/1.1")
    return Response(
        status_code=response.status_code,
        headers=Headers(fields),
        http_version=version.decode("ascii", "replace"),
        received_at=time.time(),
    )


def unwrapped(error: BaseException) -> BaseException:
    """Return httpcore's error where httpx has put its own around it."""
    return error.__cause__ if isinstance(error, httpx.TransportError) and error.__cause__ is not None else error


def translated(error: Exception, ticket: Ticket) -> Exception:
    """Make of an httpx or httpcore error what a transport may raise."""
    cause = unwrapped(error)
    if isinstance(cause, httpcore.PoolTimeout):
        return TimeoutError(
            "no connection became free: max_connections streams are open (connect timeout)",
            timeout="connect",
            is_local=True,
        )
    if isinstance(cause, TIMEOUTS):
        return builtins.TimeoutError("the deadline has passed")
    if not isinstance(cause, FAILURES):
        return error
    tls = _tls_reason(cause)
    if tls is not None:
        return NetworkError(f"TLS: {tls}", retryable=False)
    retryable = False if isinstance(cause, UNUSABLE) else None
    return NetworkError(str(cause) or type(cause).__name__, retryable=retryable)


def _tls_reason(error: BaseException | None) -> str | None:
    """Return why TLS refused. A connection that ended within the handshake is no refusal."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return getattr(error, "reason", None) or "handshake failed"  # only OpenSSL gives a reason
        error = error.__cause__ or error.__context__
    return None
