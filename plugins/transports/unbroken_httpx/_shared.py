"""What both backends share: the ticket of an exchange, requests, responses, errors."""

import builtins
import ssl
import time
from typing import Any, Final

from attrs import define, field

from unbroken.errors import NetworkError, TimeoutError
from unbroken.headers import Headers
from unbroken.messages import Request, Response
from unbroken.secrets import drop_tracebacks, redact_keys
from unbroken.transport import Opening

from ._library import Library

TICKET: Final = "unbroken"
"""The request extension under which a ticket travels through httpx and httpcore."""

DRAIN_BYTES: Final = 64 * 1024
PIECE: Final = 64 * 1024
"""The most bytes that are written at once; between two pieces the deadline is looked at."""


@define(eq=False)
class Ticket:
    """One exchange on its way through the pool."""

    library: Library
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
        """Whether `error` says no more than that the server has closed a kept connection in the meantime."""
        return self.reused and not self.received and isinstance(unwrapped(error, self.library), self.library.failures)


def now() -> float:
    """Return the time in which deadlines are given."""
    return time.monotonic()


def http_request(request: Request, ticket: Ticket) -> Any:
    """Make httpx's request; only its pool timeout is httpx's own."""
    left = ticket.remaining(ticket.library.core.ConnectTimeout)
    made = ticket.library.httpx.Request(
        request.method,
        request.url,
        headers=list(request.headers.items_raw),
        content=request.content,
        extensions={TICKET: ticket, "timeout": {"pool": left}},
    )
    made.stream = ticket.library.body_class(request.content)
    return made


def http_response(response: Any) -> Response:
    """Keep the head. Field values are latin-1 on the wire (RFC 9110 §5.5)."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw]
    version = response.extensions.get("http_version", b"HTTP/1.1")
    return Response(
        status_code=response.status_code,
        headers=Headers(fields),
        http_version=version.decode("ascii", "replace"),
        received_at=time.time(),
    )


def unwrapped(error: BaseException, library: Library) -> BaseException:
    """Return httpcore's error, or that of the system, where httpx has put its own around it."""
    cause = error.__cause__
    if isinstance(error, library.httpx.TransportError) and isinstance(cause, library.known):
        return cause
    return error


def translated(error: Exception, library: Library) -> Exception:
    """Make of an httpx or httpcore error what a transport may raise; other errors are returned as they are."""
    made = _translated(error, library)
    if made is not error:
        drop_tracebacks(error)
    return made


def _translated(error: Exception, library: Library) -> Exception:
    cause = unwrapped(error, library)
    if isinstance(cause, library.full):
        return TimeoutError(
            "no connection became free: max_connections streams are open (connect timeout)",
            timeout="connect",
            is_local=True,
        )
    if isinstance(cause, library.timeouts):
        return builtins.TimeoutError("the deadline has passed")
    if not isinstance(cause, library.failures):
        return error
    tls = _tls_reason(cause)
    if tls is not None:
        return NetworkError(f"TLS: {tls}", retryable=False)
    retryable = False if isinstance(cause, library.unusable) else None
    # h11 quotes what it cannot read.
    return NetworkError(redact_keys(str(cause)) or type(cause).__name__, retryable=retryable)


def _tls_reason(error: BaseException | None) -> str | None:
    """Return why TLS refused. A connection that ended within the handshake is no refusal."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return getattr(error, "reason", None) or "handshake failed"  # only OpenSSL gives a reason
        error = error.__cause__ or error.__context__
    return None
