"""What both transports share: settings, counts, heads and errors."""

import builtins
import time
from abc import ABC, abstractmethod

from ..errors import NetworkError
from ..headers import Headers
from ..messages import Response
from ..secrets import drop_tracebacks
from ..transport import Connections, closed
from .errors import translated
from .pool import Opened, Pool
from .proxy import parsed
from .tls import Certificates


class Transport(ABC):
    """What the two transports have in common."""

    def __init__(self, connections: Connections) -> None:
        """Check what can be checked before the first request. Raises ConfigurationError."""
        self._connections = connections
        self._certificates = Certificates(connections)
        self._closed = False
        if connections.proxy is not None:
            parsed(connections.proxy)

    @abstractmethod
    def _pools_now(self) -> list[Pool]:
        """Return the pools of this process."""
        ...

    def open_connections(self) -> int:
        """Return how many connections are open, those that are being opened included."""
        return sum(len(pool.idle) + pool.places.connected() for pool in self._pools_now())

    def idle_connections(self) -> int:
        """Return how many connections wait for their next exchange."""
        return sum(len(pool.idle) for pool in self._pools_now())

    def requests_under_way(self) -> int:
        """Return how many exchanges have begun and not ended, those that wait for a connection included."""
        return sum(pool.places.under_way() for pool in self._pools_now())


def head_of(opened: Opened) -> Response:
    """Return the head as the engine wants it. Field values are latin-1 on the wire (RFC 9110 §5.5)."""
    head = opened.head
    return Response(
        status_code=head.status,
        headers=Headers(head.fields),
        http_version=head.version,
        received_at=time.time(),
    )


def raise_translated(error: Exception, pool: Pool) -> None:
    """Raise what a transport may raise in place of `error`. Returns when that is `error` itself."""
    made = translated(error)
    if pool.places.closed and isinstance(made, NetworkError | builtins.TimeoutError):
        made = closed()
    if made is not error:
        drop_tracebacks(error)
        raise made from error
