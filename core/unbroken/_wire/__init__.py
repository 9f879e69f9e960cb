"""HTTP/1.1 for clients that stream: a strict parser, a pool that survives what processes do, and three backends."""

from .transport import AsyncWireTransport, WireTransport

__all__ = ("AsyncWireTransport", "WireTransport")
