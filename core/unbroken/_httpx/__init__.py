"""HTTP by httpx, and the only place that knows it.

httpx reads a timeout once and re-arms it with every byte, and its pool (httpcore) loses connections when a task is
cancelled twice. Both are mended from below, through httpcore's public interfaces: the network backend gives every read
and write what is left until the deadline in force, and each pooled connection is guarded, so that this package, not an
interrupted clean-up, says when it is closed.
"""

from ._async import AsyncHTTPTransport
from ._sync import HTTPTransport

__all__ = ("AsyncHTTPTransport", "HTTPTransport")
