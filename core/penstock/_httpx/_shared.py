"""What both colours share: the ticket of an exchange, requests, responses, errors."""

import builtins
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore
import httpx
from attrs import define, field

from .._setup import Connections
from ..errors import NetworkError, TimeoutError
from ..headers import Headers
from ..messages import Request, Response
from ..transport import Opening

TICKET: Final = "penstock"
"""The request extension under which a ticket travels through httpx and httpcore."""

DRAIN_BYTES: Final = 64 * 1024

FAILURES: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
TIMEOUTS: Final = (httpcore.ConnectTimeout, httpcore.ReadTimeout, httpcore.WriteTimeout)


@define(eq=False)
class Ticket:
    """One exchange on its way through the pool."""

    opening: Opening
    deadline: float | None = field(init=False)
    """The deadline in force."""
    guard: Any = None
    """The guarded connection that serves it."""
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
    return httpx.Request(
        request.method,
        request.url,
        headers=list(request.headers.items_raw),
        content=request.content,
        extensions={TICKET: ticket, "timeout": {"pool": left}},
    )


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
    return (
        error.__cause__ if isinstance(error, httpx.TransportError) and error.__cause__ is not None else error
    )


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
    retryable = (
        None if not isinstance(cause, httpcore.LocalProtocolError | httpcore.UnsupportedProtocol) else False
    )
    return NetworkError(str(cause) or type(cause).__name__, retryable=retryable)


def _tls_reason(error: BaseException | None) -> str | None:
    """Return why TLS refused. A connection that ended within the handshake is no refusal."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError) and not isinstance(
            error, ssl.SSLEOFError | ssl.SSLZeroReturnError
        ):
            return error.reason or "handshake failed"
        error = error.__cause__ or error.__context__
    return None


def http_arguments(connections: Connections, proxy: str | None) -> dict[str, Any]:
    """Return the arguments of httpx's transports. TCP keep-alive finds peers that vanished behind a NAT."""
    keep_alive = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            keep_alive.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return {
        "verify": connections.verify,
        "trust_env": connections.trust_env,
        "limits": httpx.Limits(
            max_connections=connections.max_connections, max_keepalive_connections=100, keepalive_expiry=60.0
        ),
        "proxy": proxy,
        "socket_options": keep_alive,
    }


def proxy_for(request: Request, connections: Connections) -> str | None:
    """Return the proxy to use: the configured one, or with `trust_env` the environment's."""
    if connections.proxy is not None or not connections.trust_env:
        return connections.proxy
    parts = urlsplit(request.url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


class GuardState:
    """A pooled connection, whose end is decided here. What the pool asks of both colours of it."""

    def __init__(self) -> None:
        self.connection: Any = None
        self.ticket: Ticket | None = None
        self.dead = False
        self.started = False

    def take(self, request: httpcore.Request) -> Ticket:
        """Begin the exchange of `request`."""
        ticket: Ticket = request.extensions[TICKET]
        ticket.guard, ticket.reused = self, self.started
        self.ticket, self.started = ticket, True
        return ticket

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return not self.dead and bool(self.connection.can_handle_request(origin))

    def is_available(self) -> bool:
        return not self.dead and bool(self.connection.is_available())

    def has_expired(self) -> bool:
        return bool(self.connection.has_expired())

    def is_idle(self) -> bool:
        return not self.dead and bool(self.connection.is_idle())

    def is_closed(self) -> bool:
        return self.dead or bool(self.connection.is_closed())

    def info(self) -> str:
        return "DEAD" if self.dead else str(self.connection.info())

    def __repr__(self) -> str:
        return f"<guarded {self.info()}>"


def guard_pool(
    pool: Any, make_guard: Callable[[], GuardState], make_backend: Callable[[Any, Any], Any]
) -> None:
    """Make `pool` put a guard before each connection, and give that connection a network backend of its own."""
    create, backend = pool.create_connection, pool._network_backend

    def create_connection(origin: httpcore.Origin) -> GuardState:
        guard = make_guard()
        pool._network_backend = make_backend(guard, backend)  # called under the pool's lock
        guard.connection = create(origin)
        return guard

    pool.create_connection = create_connection


def drop_orphans(pool: Any) -> list[Any]:
    """Drop connections that a request was given but, interrupted, never used; return what the pool wants closed."""
    with pool._optional_thread_lock:
        wanted = {id(request.connection) for request in pool._requests}
        for guard in pool._connections:
            if not guard.started and id(guard) not in wanted:
                guard.dead = True
        closing: list[Any] = pool._assign_requests_to_connections()
        return closing
