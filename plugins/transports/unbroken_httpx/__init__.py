"""HTTP over httpx or httpx2, for what only they offer: SOCKS, mounts, HTTP/2, a transport or client of your own.

`Client(transport="httpx")` and `Client(transport="httpx2")` connect like the default transport. A transport built by
hand can send through a transport or client that you have already::

    Client(transport=HTTPXTransport(inner=httpx.HTTPTransport(http2=True)))
"""

from ._transports import AsyncHTTPXTransport, HTTPXFactory, HTTPXTransport

__all__ = ("AsyncHTTPXTransport", "HTTPXFactory", "HTTPXTransport")
