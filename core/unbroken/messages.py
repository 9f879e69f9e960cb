"""The values of a call: the request, its timeouts, the response, the events and the usage."""

import functools
from typing import Any, final
from urllib.parse import SplitResult, urlsplit

import msgspec
from attrs import field, frozen

from .errors import ConfigurationError, Problem
from .event import E_co, Event, Typing
from .headers import TOKEN, Headers, HeaderTypes, user_agent
from .usage import Summary, Usage
from .validators import flag, optional_seconds

__all__ = ["E_co", "Event", "Request", "Response", "Summary", "Timeouts", "Typing", "Usage"]

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@frozen(kw_only=True)
class Timeouts:
    """The timeouts of a call, each in seconds, or None for no limit."""

    connect: float | None = field(default=5.0, validator=optional_seconds)
    """Per attempt: until the connection is established, with the wait for a free one, DNS, TCP and TLS."""
    first_event: float | None = field(default=600.0, validator=optional_seconds)
    """Per attempt: from sending until the first content event. Keep-alives and preamble do not end it.

    Reasoning models may be silent for minutes.
    """
    idle: float | None = field(default=60.0, validator=optional_seconds)
    """After the first content event: without progress in the stream. It runs only while the client waits for bytes.

    Progress is content and the beginning or end of a part of it; keep-alives and preamble are none.
    """
    quiet: float | None = field(default=600.0, validator=optional_seconds)
    """In place of `idle` while the dialect says that silence is normal: the model thinks, or a tool works.

    If it is shorter than `idle`, `idle` stays in force.
    """
    total: float | None = field(default=None, validator=optional_seconds)
    """The whole call, with all attempts and all waits."""
    count_keepalives: bool = field(default=False, validator=flag)
    """Whether keep-alives (pings, comments) count as progress for `idle` and `quiet`."""
    shadow: bool = field(default=False, validator=flag)
    """Whether to try these timeouts out: the defaults are enforced, and `on_decision` tells when these would expire."""


@final
@frozen(kw_only=True, repr=False)
class Request:
    """One HTTP request. Build it with `Request.build`; change it with `with_headers` or `attrs.evolve`."""

    method: str
    url: str
    headers: Headers = Headers()
    content: bytes = b""
    timeouts: Timeouts | None = None
    """Set by the call or by the timeout plugin. If they are None when the request is sent, the defaults apply."""
    repeatable: bool = field(default=True, validator=flag)
    """Whether the request may be sent again after the server may have received it. False if it has side effects."""
    origin: str = field(init=False)
    """``scheme://host:port`` in lower case, always with the port."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "origin", _checked_origin(self.method, self.url))

    @classmethod
    def build(
        cls,
        method: str,
        url: str,
        *,
        headers: HeaderTypes = (),
        json: Any = None,
        content: bytes = b"",
        timeouts: Timeouts | None = None,
        idempotency_key: str | None = None,
        stream: bool = True,
    ) -> "Request":
        """Return a request for an event stream or, without `stream`, for any other answer.

        `json` is encoded and sent as ``application/json``.
        The ``User-Agent`` and the other default headers give way to those in `headers`.
        `idempotency_key` is sent as ``Idempotency-Key`` with every method except GET and HEAD, unless `headers` has
        one. Raises ConfigurationError for an invalid method, URL or header, for `json` that cannot be encoded, and for
        `json` together with `content`.
        """
        if json is not None and content:
            raise ConfigurationError.of(Problem("content", "cannot be sent together with json"))
        if json is not None:
            content = _encode(json)
        method = method.upper()
        fields = _defaults(json=json is not None, stream=stream).merged(Headers.validated(headers))
        if idempotency_key is not None and method not in _SAFE_METHODS and "idempotency-key" not in fields:
            fields = fields.merged(Headers.validated([("Idempotency-Key", idempotency_key)]))
        return cls(method=method, url=url, headers=fields, content=content, timeouts=timeouts)

    def with_headers(self, fields: HeaderTypes) -> "Request":
        """Return a copy with `fields` set. Raises ConfigurationError for an invalid one."""
        return self._changed(self.headers.merged(Headers.validated(fields)), self.timeouts)

    def with_timeouts(self, timeouts: Timeouts) -> "Request":
        """Return a copy with these timeouts."""
        return self._changed(self.headers, timeouts)

    def _changed(self, headers: Headers, timeouts: Timeouts | None) -> "Request":
        # Not attrs.evolve: method and URL are checked already, and this runs for every attempt of every call.
        changed = object.__new__(Request)
        put = object.__setattr__
        put(changed, "method", self.method)
        put(changed, "url", self.url)
        put(changed, "headers", headers)
        put(changed, "content", self.content)
        put(changed, "timeouts", timeouts)
        put(changed, "repeatable", self.repeatable)
        put(changed, "origin", self.origin)
        return changed

    def json(self) -> Any:
        """Return the body decoded as JSON. Raises ValueError for invalid JSON."""
        return msgspec.json.decode(self.content)

    def __repr__(self) -> str:
        path = urlsplit(self.url).path
        return f"<Request {self.method} {self.origin}{path} {self.headers!r} {len(self.content)} bytes>"


@final
@frozen(kw_only=True)
class Response:
    """The head of an HTTP response: its status and headers."""

    status_code: int
    headers: Headers = Headers()
    http_version: str = "HTTP/1.1"
    received_at: float = 0.0
    """Wall time in Unix seconds. Dates in the headers are compared with it when the server sent no ``Date``."""


@functools.cache
def _defaults(*, json: bool, stream: bool) -> Headers:
    """Return the headers of a request for which the caller gives none."""
    fields = {
        "Accept": "text/event-stream" if stream else "*/*",
        "Accept-Encoding": "identity",
        "Cache-Control": "no-store",
        "User-Agent": user_agent(),
    }
    return Headers.validated({**fields, "Content-Type": "application/json"} if json else fields)


def _encode(json: Any) -> bytes:
    try:
        return msgspec.json.encode(json)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigurationError.of(Problem("json", f"cannot be written as JSON: {error}")) from None


def _checked_origin(method: object, url: object) -> str:
    # Checked before the cached function, which cannot take unhashable arguments.
    if not isinstance(method, str):
        raise ConfigurationError.of(Problem("method", f"must be a string, not {type(method).__name__}"))
    if not isinstance(url, str):
        raise ConfigurationError.of(Problem("url", f"must be a string, not {type(url).__name__}"))
    return _origin(method, url)


@functools.lru_cache(maxsize=512)
def _origin(method: str, url: str) -> str:
    if not TOKEN.match(method):
        raise ConfigurationError.of(Problem("method", f"{method!r} is not an HTTP method"))
    parts, problem = _split(url)
    if problem is not None or parts is None or parts.hostname is None:
        raise ConfigurationError.of(Problem("url", problem or "has no host"))
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def _split(url: str) -> tuple[SplitResult | None, str | None]:
    if any(character <= " " or character == "\x7f" for character in url):
        return None, "has a space or a control character"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, "cannot be parsed"
    if port == 0:
        return None, "has port 0"
    if parts.scheme not in _DEFAULT_PORTS:
        # In user:password@host the scheme would be the user, and in key:value the key.
        named = parts.scheme.isalpha() and url[len(parts.scheme) :].startswith("://")
        return None, "must start with http:// or https://" + (f", not {parts.scheme}://" if named else "")
    if parts.username is not None or parts.password is not None:
        return None, "carries credentials; send them in a header"
    return parts, None
