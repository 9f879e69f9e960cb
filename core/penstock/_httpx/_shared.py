"""What both colours share: the ticket of an exchange, requests, responses, errors."""

import builtins
import socket
import ssl
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import h11
import httpcore
import httpx
from attrs import define, field

from .._setup import Connections
from ..errors import ConfigurationError, NetworkError, Problem, TimeoutError
from ..headers import Headers
from ..messages import Request, Response
from ..transport import Opening

TICKET: Final = "penstock"
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
        full = TimeoutError("no connection became free: max_connections streams are open (connect timeout)")
        full.clock, full.origin = "connect", "local"
        return full
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


def http_arguments(connections: Connections, proxy: str | None) -> dict[str, Any]:
    """Return the arguments of httpx's transports. TCP keep-alive finds peers that vanished behind a NAT."""
    keep_alive = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            keep_alive.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return {
        "verify": _verification(connections.verify),
        "trust_env": connections.trust_env,
        "limits": httpx.Limits(
            max_connections=connections.max_connections, max_keepalive_connections=100, keepalive_expiry=60.0
        ),
        "proxy": None if proxy is None else _proxy(proxy),
        "socket_options": keep_alive,
    }


def _verification(verify: ssl.SSLContext | str | bool) -> ssl.SSLContext | bool:
    """Load the certificates of a file or directory. Raises ConfigurationError."""
    if not isinstance(verify, str):
        return verify
    try:
        if Path(verify).is_dir():
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        problem = Problem("verify", f"cannot load certificates from {verify!r}: {error.strerror or error}")
        raise ConfigurationError.of(problem) from None


def _proxy(url: str) -> httpx.Proxy:
    """Return httpx's proxy. Raises ConfigurationError, without the URL, which may hold a password."""
    try:
        proxy = httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in {"http", "https"} or not proxy.url.host:
        raise ConfigurationError.of(Problem("proxy", "must be a URL that starts with http:// or https://"))
    return proxy


def proxy_for(request: Request, connections: Connections) -> str | None:
    """Return the proxy to use: the configured one, or with `trust_env` the environment's."""
    if connections.proxy is not None or not connections.trust_env:
        return connections.proxy
    parts = urlsplit(request.url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


class GuardState:
    """A pooled connection, whose end is decided here. What the pool asks of both colours of it."""

    def __init__(self) -> None:
        self.connection: Any = None
        self.ticket: Ticket | None = None
        self.dead = False
        self.promised = False
        """Whether a request has been given this connection."""
        self.started = False
        """Whether a request has been sent on it."""

    def take(self, request: Any) -> Ticket:
        """Begin the exchange of `request`."""
        ticket: Ticket = request.extensions[TICKET]
        ticket.reused = self.started
        self.ticket, self.started = ticket, True
        return ticket

    def serving(self) -> Ticket:
        """Return the ticket of the exchange under way. Raises ReadError on a connection that was closed here."""
        if self.dead or self.ticket is None:
            raise httpcore.ReadError("the connection was closed on this side")
        return self.ticket

    def stands(self) -> bool:
        """Whether there is a way to the server; a tunnel through a proxy is opened by a request of its own."""
        return bool(getattr(self.connection, "_connected", True))

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return not self.dead and bool(self.connection.can_handle_request(origin))

    def is_available(self) -> bool:
        return not self.dead and not self.promised and bool(self.connection.is_available())

    def has_expired(self) -> bool:
        return not self.promised and bool(self.connection.has_expired())

    def is_idle(self) -> bool:
        return not self.dead and not self.promised and bool(self.connection.is_idle())

    def is_closed(self) -> bool:
        return self.dead or bool(self.connection.is_closed())

    def info(self) -> str:
        return "DEAD" if self.dead else str(self.connection.info())

    def __repr__(self) -> str:
        return f"<guarded {self.info()}>"


class Requests(list[Any]):
    """The requests of a pool. httpcore would give an idle connection to all that wait, at once; here it is promised."""

    def append(self, request: Any) -> None:
        assign = request.assign_to_connection

        def promise(guard: GuardState) -> None:
            guard.promised = True
            assign(guard)

        request.assign_to_connection = promise
        super().append(request)

    def remove(self, request: Any) -> None:
        super().remove(request)
        if request.connection is not None:
            request.connection.promised = False


def guard_pool(
    pool: Any,
    make_guard: Callable[[], GuardState],
    make_backend: Callable[[Any, Any], Any],
    is_closed: Callable[[], bool],
) -> None:
    """Make `pool` put a guard before each connection, and give that connection a network backend of its own."""
    create, backend = pool.create_connection, pool._network_backend

    def create_connection(origin: httpcore.Origin) -> GuardState:
        guard = make_guard()
        guard.dead = is_closed()  # a call that was still waiting gets no connection any more
        pool._network_backend = make_backend(guard, backend)  # called under the pool's lock
        guard.connection = create(origin)
        return guard

    pool.create_connection = create_connection
    pool._requests = Requests()


def settle(pool: Any, ticket: Ticket) -> None:
    """Put the pool's books in order, without awaiting.

    The request of `ticket` is over; connections that a request was given but, interrupted, never used are dropped.
    """
    with pool._optional_thread_lock:
        for each in [each for each in pool._requests if each.request.extensions[TICKET] is ticket]:
            pool._requests.remove(each)
        for guard in pool._connections:
            guard.dead = guard.dead or not (guard.started or guard.promised)
        closing = pool._assign_requests_to_connections()
    for guard in closing:
        guard.kill()


def clean(stream: Any) -> bool:
    """Whether nothing came behind the end of a body: httpcore would take it for the next response."""
    return bool(stream._connection._h11_state.trailing_data == (b"", False))


def closed() -> NetworkError:
    """Make the error of a client that was closed."""
    return NetworkError("the client is closed", retryable=False, origin="local")
