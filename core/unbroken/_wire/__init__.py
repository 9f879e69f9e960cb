"""HTTP/1.1 for clients that stream: a strict parser, a pool that survives what processes do, and three backends."""

from .async_transport import AsyncWireTransport
from .transport import WireTransport

__all__ = ("AsyncWireTransport", "WireTransport")
