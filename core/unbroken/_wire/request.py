"""The bytes of a request (RFC 9112 §3)."""

from attrs import field, frozen

from ..errors import ConfigurationError
from ..headers import Headers
from ..messages import Request
from ..transport import Connections
from .errors import Unusable
from .proxy import Proxy, proxy_for
from .route import Key, Route, route


@frozen
class Outgoing:
    """A request, ready to be sent, and where it goes."""

    key: Key = field(repr=False)
    route: Route
    proxy: Proxy | None
    data: bytes = field(repr=False)
    bodyless: bool
    """Whether the response has no body whatever its head says."""
    last: bool
    """Whether the request says that the connection is not to be used again."""
    repeatable: bool
    """Whether it may be sent again although the server may have it."""


def outgoing(request: Request, connections: Connections) -> Outgoing:
    """Make the bytes of `request`. Raises Unusable, UnicodeError, and ConfigurationError for a proxy."""
    way = route(request.url)
    proxy = None
    if connections.proxy is not None or connections.trust_env:
        proxy = proxy_for(way, connections)
    target, more, via = way.target, "", ""
    if proxy is not None:
        via = proxy.name
        if way.scheme == "http":
            target, more = f"http://{way.authority}{way.target}", proxy.credentials
    fields, last = _fields(request, way.authority)
    head = f"{request.method} {target} HTTP/1.1\r\n{fields}{more}\r\n"
    return Outgoing(
        key=(way.scheme, way.host, way.port, via),
        route=way,
        proxy=proxy,
        data=head.encode("latin-1") + request.content,
        bodyless=request.method == "HEAD",
        last=last,
        repeatable=request.repeatable,
    )


def _fields(request: Request, authority: str) -> tuple[str, bool]:
    """Return the header fields, and whether they ask to close the connection."""
    headers = _checked(request.headers)
    length = len(request.content)
    lines: list[str] = [] if "host" in headers else [f"Host: {authority}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items_raw]
    if "transfer-encoding" in headers:
        raise Unusable("a request may not have Transfer-Encoding: its body is sent with its length")
    if "content-length" in headers:
        if headers["content-length"] != str(length):
            raise Unusable(f"the request has a Content-Length that is not the length of its body, {length}")
    elif length or request.method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {length}\r\n")
    return "".join(lines), "close" in headers.get("connection", "").lower()


def _checked(headers: Headers) -> Headers:
    """Return `headers` when they can be sent: a plugin may have made them. Raises Unusable."""
    try:
        return Headers.validated(headers)
    except ConfigurationError as error:
        raise Unusable(error.message) from None
