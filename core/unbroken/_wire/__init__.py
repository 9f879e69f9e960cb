"""HTTP/1.1 for clients that stream: a strict parser, a pool that survives what processes do, and three backends."""

from ..transport import Connections
from .async_transport import AsyncWireTransport
from .transport import WireTransport

__all__ = ("AsyncWireTransport", "WireFactory", "WireTransport")


class WireFactory:
    """The `unbroken.transport.TransportFactory` of the name ``wire``."""

    def sync_transport(self, connections: Connections) -> WireTransport:
        """Return a transport for a `Client`."""
        return WireTransport(connections)

    def async_transport(self, connections: Connections) -> AsyncWireTransport:
        """Return a transport for an `AsyncClient`."""
        return AsyncWireTransport(connections)
