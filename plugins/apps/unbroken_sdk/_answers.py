"""What the client above is told: the answer, or the failure in a form of which it makes an exception of its own."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from attrs import field, frozen

from unbroken import (
    AsyncStream,
    AuthenticationError,
    CircuitOpenError,
    ConfigurationError,
    Error,
    NetworkError,
    OverloadedError,
    RateLimitError,
    ServerError,
    Stream,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    ValidationError,
)
from unbroken.error_bodies import load_json_object

from ._calls import OF_THE_HOP

NO_RETRY: Final = ("x-should-retry", "false")
# The HTTP status that says the same as an error which had none.
_TWINS: Final[tuple[tuple[type[Error], int], ...]] = (
    (OverloadedError, 529),
    (RateLimitError, 429),
    (AuthenticationError, 401),
    (ValidationError, 400),
    (CircuitOpenError, 503),
    (ServerError, 500),
)


@frozen
class Answer:
    """The head and, of a failure, the body of an HTTP answer."""

    status: int
    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


def answered(stream: Stream | AsyncStream) -> Answer:
    """Return the head of the answer of a call that has begun well."""
    response, plain = stream.response, stream.is_plain
    if response is None:  # a plugin has replayed it
        kind = "application/json" if plain else stream.call.dialect.media_types[0]
        return Answer(200, [("content-type", kind), *_facts(stream)])
    dropped = OF_THE_HOP - {"content-length"} if plain else OF_THE_HOP
    return Answer(response.status_code, [*_kept(response.headers.items_raw, dropped), *_facts(stream)])


def failed(stream: Stream | AsyncStream, error: Error) -> Answer | None:
    """Return the HTTP answer that says what `error` says, None if only an exception can.

    It is the real one if the server sent one; its twin for a failure told in a stream or in the body of a good status;
    503 or 429 for a request that was refused here. A dialect that can tell any failure does so: 502 or 504.
    """
    response, call = stream.response, stream.call
    extra = [NO_RETRY, *_facts(stream)]
    event = call.dialect.error_event_for(call, error) if call.dialect.tells_any_failure else None
    resumed = event is not None and call.current.method != call.request.method  # then it is no answer to the request
    if response is not None and response.status_code >= 400 and not resumed:
        kept = _kept(response.headers.items_raw, OF_THE_HOP | {"x-should-retry"})
        return Answer(response.status_code, [*kept, *extra], stream.error_body)
    told = stream.error_body if stream.failed_by is None else stream.failed_by.raw
    status = error.status_code or next((status for kind, status in _TWINS if isinstance(error, kind)), None)
    if status is None or (isinstance(error, StreamError | NetworkError | TimeoutError) and error.status_code is None):
        if event is None:
            return None
        status = 504 if isinstance(error, TimeoutError) else 502
    if error.retry_after is not None:
        extra.append(("retry-after", f"{error.retry_after:.3f}"))
    body = event.raw if event is not None and not is_error(told) else _body(error, told)
    return Answer(status, [("content-type", "application/json"), *extra], body)


def exception(library: Any, error: Error, request: Any) -> Exception:
    """Return the exception of httpx or httpx2 that says what `error` says, with it as its cause."""
    kind = library.TransportError
    if isinstance(error, TimeoutError):
        kind = library.ConnectTimeout if error.timeout == "connect" else library.ReadTimeout
    elif isinstance(error, ConfigurationError):
        kind = library.LocalProtocolError
    elif isinstance(error, TruncatedStreamError | StreamError):
        kind = library.RemoteProtocolError
    elif isinstance(error, NetworkError):
        kind = library.ConnectError if error.phase in ("before", "connect") else library.ReadError
    made: Exception = kind(str(error), request=request)
    made.__cause__ = error
    return made


def is_error(told: bytes) -> bool:
    """Return whether `told` is an error object, of which every client makes an exception."""
    return bool((load_json_object(told) or {}).get("error"))


def _facts(stream: Stream | AsyncStream) -> list[tuple[str, str]]:
    return [("x-unbroken-attempts", str(stream.attempts)), ("x-unbroken-request-id", stream.request_id)]


def _kept(fields: Iterable[tuple[str, str]], dropped: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in fields if name.lower() not in dropped]


def _body(error: Error, told: bytes) -> bytes:
    """Return what the server said, if it is an error object, otherwise one with the words of `error`."""
    if is_error(told):
        return told
    kind = error.kind or f"unbroken_{type(error).__name__}"
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": error.message}})
