"""The values of a call: the request, its timeouts, the response, the events and the usage."""

import functools
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, cast, final
from urllib.parse import SplitResult, urlsplit

import msgspec
from attrs import field, frozen

from .errors import ConfigurationError, Problem, StreamError
from .headers import TOKEN, Headers, HeaderTypes, user_agent
from .json_text import mended
from .validators import flag, optional_seconds

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    E_co = TypeVar("E_co", default=Any, covariant=True)
else:  # the standard library has no default (PEP 696) before Python 3.13, and only checkers read it
    from typing import TypeVar

    E_co = TypeVar("E_co", covariant=True)


class Typing(Protocol[E_co]):
    """The part of `unbroken.Dialect` that an event needs."""

    def typed(self, event: "Event") -> E_co:
        """Return `event` as an instance of its dialect's own class."""
        ...


class _Json(Enum):
    """The marker of JSON not yet decoded. Members of an enum keep their identity when copied and pickled."""

    UNREAD = "unread"


_UNREAD: Final[Any] = _Json.UNREAD
_decode_json = msgspec.json.decode
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
        return _decode_json(self.content)

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


@final
class Event(msgspec.Struct, Generic[E_co], gc=False, eq=False):  # noqa: PLW1641  # its data can change: no hash
    """One dispatched SSE event (WHATWG HTML §9.2.6). The bytes are kept; text and JSON are made when asked for.

    Two events are equal when type, data and id are. Change one with `replace`.
    """

    type: str = "message"
    raw: bytes = b""
    """The data as bytes, its lines joined by LF."""
    id: str = ""
    """The last event id at the time of the event."""
    request_id: str = ""
    _dialect: Typing[E_co] | None = None
    _json: Any = _UNREAD

    @classmethod
    def make(
        cls, type: str, data: Any = b"", *, id: str = "", request_id: str = "", dialect: Typing[E_co] | None = None
    ) -> "Event[E_co]":
        """Return an event with `data`: text, bytes, or anything that can be encoded as JSON."""
        raw = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else msgspec.json.encode(data)
        return cls(type, raw, id, request_id, dialect)

    def replace(self, *, type: str | None = None, raw: bytes | None = None, id: str | None = None) -> "Event[E_co]":
        """Return a copy with another type, other data or another id."""
        return Event(
            self.type if type is None else type,
            self.raw if raw is None else raw,
            self.id if id is None else id,
            self.request_id,
            self._dialect,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return self.type == other.type and self.raw == other.raw and self.id == other.id

    def __ne__(self, other: object) -> bool:
        return not self == other  # the one of a Struct would compare all fields

    @property
    def data(self) -> str:
        """The data as text; invalid UTF-8 becomes U+FFFD (WHATWG Encoding, "UTF-8 decode")."""
        return self.raw.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the data decoded as JSON, the same object each time; invalid UTF-8 becomes U+FFFD.

        Raises StreamError, with the position, for invalid JSON and for empty data.
        """
        if self._json is _UNREAD:
            try:
                self._json = _decode_json(self.raw)
            except (ValueError, RecursionError):
                self._json = self._mended_json()
        return self._json

    def _mended_json(self) -> Any:
        try:
            return _decode_json(mended(self.raw))
        except (ValueError, RecursionError) as error:
            raise StreamError(
                f"the data of event {self.type[:60]!r} is not JSON: {error}", request_id=self.request_id or None
            ) from None

    def typed(self) -> E_co:
        """Return the event as a new instance of its dialect's own class.

        Its static type is the one that the dialect gives its events: that of `E` in ``Dialect[E]``, ``Client[E]``,
        ``Stream[E]`` and ``Event[E]``.

        Returns the event itself if the dialect has no such classes or does not know the type, or if the event was made
        without a dialect. Raises StreamError, with the place, if the data does not fit the class.
        """
        return cast("E_co", self) if self._dialect is None else self._dialect.typed(self)

    def __getitem__(self, name: str) -> Any:
        """Return the value of `name` in the JSON object. Raises KeyError if there is no such name or no object."""
        value = self._object()
        if value is None:
            raise KeyError(name)
        return value[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of `name` in the JSON object, `default` if it is missing or the data is not an object."""
        value = self._object()
        return default if value is None else value.get(name, default)

    def __contains__(self, name: object) -> bool:
        """Return whether the data is a JSON object that has `name`."""
        value = self._object()
        return value is not None and name in value

    def _object(self) -> dict[str, Any] | None:
        value = self.json()
        return cast("dict[str, Any]", value) if isinstance(value, dict) else None

    def __repr__(self) -> str:
        return f"<Event {self.type} {len(self.raw)} bytes>"


@final
@frozen(kw_only=True)
class Summary:
    """What the server has said about the answer as a whole."""

    id: str | None = None
    """The id of the message, the completion or the response."""
    model: str | None = None
    """The model that answers, which may be another than the one asked for."""
    finish_reasons: tuple[str, ...] = ()
    """Why the answer ended, in the words of the API, one for each choice; empty until the server has said it."""


@final
@frozen(kw_only=True)
class Usage:
    """The tokens that a call consumed. A count is None if the server has not given it."""

    input_tokens: int | None = None
    """Input tokens at full price, as the API counts them."""
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    final: bool = False
    """False while the counts are the server's placeholders from the start of the stream."""

    def updated(self, later: "Usage") -> "Usage":
        """Return these counts overwritten by those that `later` has. Counts are cumulative, so they are never added."""
        return Usage(
            input_tokens=_later(later.input_tokens, self.input_tokens),
            output_tokens=_later(later.output_tokens, self.output_tokens),
            cache_read_tokens=_later(later.cache_read_tokens, self.cache_read_tokens),
            cache_write_tokens=_later(later.cache_write_tokens, self.cache_write_tokens),
            final=self.final or later.final,
        )

    def advanced(self, later: "Usage") -> "Usage":
        """Return these counts overwritten by those that `later` has, unless they are smaller.

        Within an attempt counts only grow; a smaller one, such as a zero at the end, is a mistake of the server. The
        input counts are compared as a sum, because part of the input can turn out to come from the cache.
        """
        kept = self.updated(later)
        output = _larger(self.output_tokens, later.output_tokens)
        if kept._input() >= self._input():
            return Usage(
                input_tokens=kept.input_tokens,
                output_tokens=output,
                cache_read_tokens=kept.cache_read_tokens,
                cache_write_tokens=kept.cache_write_tokens,
                final=kept.final,
            )
        return Usage(
            input_tokens=_larger(self.input_tokens, later.input_tokens),
            output_tokens=output,
            cache_read_tokens=_larger(self.cache_read_tokens, later.cache_read_tokens),
            cache_write_tokens=_larger(self.cache_write_tokens, later.cache_write_tokens),
            final=kept.final,
        )

    def _input(self) -> int:
        return (self.input_tokens or 0) + (self.cache_read_tokens or 0) + (self.cache_write_tokens or 0)


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


def _later(new: int | None, old: int | None) -> int | None:
    return old if new is None else new


def _larger(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)


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
