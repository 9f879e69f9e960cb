"""Everything that can go wrong with a call, as one tree.

    Error
    ├── NetworkError              DNS, connect, TLS, reset, short body
    │   └── TruncatedStreamError  the connection ended before the terminal event
    ├── TimeoutError              one of the four clocks ran out (also a builtin TimeoutError)
    ├── AuthenticationError       401, 403
    ├── RateLimitError            429
    │   └── QuotaExceededError    a 429 that waiting cannot cure
    ├── ValidationError           400, 404, 413, 422 and other 4xx
    ├── ServerError               5xx
    │   └── OverloadedError       529, overloaded_error
    ├── StreamError               bytes, SSE, JSON or event order that make no sense
    │   ├── ContentTypeError      the answer is not an event stream
    │   └── EventTooLargeError    an event over the limit
    ├── CircuitOpenError          a circuit breaker refused the call
    ├── PluginError               a hook raised, or returned what it may not
    └── ConfigurationError        unknown plugin, bad value: every problem at once

Every class is built from its message alone. The engine stamps the request id, the phase and the attempt history on
whatever it raises. All attributes live in ``__dict__``, so errors survive pickling and copying.
"""

import builtins
from typing import ClassVar, Literal, get_args

from attrs import field, frozen

Phase = Literal["before", "connect", "headers", "first_event", "streaming", "complete"]
ClockName = Literal["connect", "first_event", "idle", "total"]
Origin = Literal["local", "remote"]

PHASES: tuple[Phase, ...] = get_args(Phase)


@frozen(kw_only=True)
class Attempt:
    """One failed attempt of a call, as kept in `Error.attempts`."""

    number: int
    """Counts from 1."""
    error: str
    """The class name of the error that ended the attempt."""
    status_code: int | None = None
    delay: float | None = None
    """Seconds waited before the next attempt; None when there was none."""
    decided_by: str | None = None
    """The plugin whose decision followed, ``engine`` for the engine's own rules, None when nobody had an opinion."""
    reason: str = ""
    """Why it was retried or given up, in a few words."""


class Error(Exception):
    """Base of all errors raised by this library.

    `message` says what happened, without credentials and without request content.
    """

    default_retryable: ClassVar[bool] = False
    default_origin: ClassVar[Origin] = "remote"

    def __init__(
        self,
        message: str = "",
        *,
        request_id: str | None = None,
        status_code: int | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
        phase: Phase | None = None,
        attempts: tuple[Attempt, ...] = (),
        response_id: str | None = None,
        origin: Origin | None = None,
        kind: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id
        """The id of the call, the same for all its attempts and events."""
        self.status_code = status_code
        self.retryable = self.default_retryable if retryable is None else retryable
        """Whether sending the same request again can help."""
        self.retry_after = retry_after
        """Seconds that the server, or the local policy, asks to wait before the next try."""
        self.should_retry = should_retry
        """The server's own verdict (``x-should-retry``), None when it gave none."""
        self.phase = phase
        self.attempts = attempts
        """The failed attempts of the call so far, this one last."""
        self.response_id = response_id
        """The server's id of the response (``request-id`` and friends)."""
        self.origin: Origin = self.default_origin if origin is None else origin
        """``local`` when a policy of this client refused, ``remote`` for everything that the network or server did."""
        self.kind = kind
        """The API's own name of the error, such as ``overloaded_error``."""

    def __str__(self) -> str:
        return f"{self.message} [request {self.request_id}]" if self.request_id else self.message

    def __repr__(self) -> str:
        facts = {"request_id": self.request_id, "status_code": self.status_code, "phase": self.phase}
        shown = "".join(f", {name}={value!r}" for name, value in facts.items() if value is not None)
        return f"{type(self).__name__}({self.message!r}{shown})"


class NetworkError(Error):
    """DNS, connect, TLS, reset, short body."""

    default_retryable = True


class TruncatedStreamError(NetworkError):
    """The connection ended, politely or not, before the terminal event. Retryable until the commit."""


class TimeoutError(Error, builtins.TimeoutError):
    """One of the four clocks ran out; `clock` says which and `seconds` what it was set to."""

    default_retryable = True
    clock: ClockName | None = None
    seconds: float | None = None


class AuthenticationError(Error):
    """The credentials were refused (401, 403)."""


class RateLimitError(Error):
    """Too many requests (429). Retryable after `retry_after`."""

    default_retryable = True


class QuotaExceededError(RateLimitError):
    """A 429 that waiting cannot cure: a spend limit or an empty account."""

    default_retryable = False


class ValidationError(Error):
    """The request itself is wrong (400, 404, 413, 422 and other 4xx)."""


class ServerError(Error):
    """The server failed (5xx)."""

    default_retryable = True


class OverloadedError(ServerError):
    """The server has no capacity at the moment (529, ``overloaded_error``)."""


class StreamError(Error):
    """The answer makes no sense as a stream: bytes, SSE, JSON or order of events."""


class ContentTypeError(StreamError):
    """The answer is not ``text/event-stream``: a captive portal, a proxy's page. `body` is its sanitised beginning."""

    content_type: str | None = None
    body: str = ""


class EventTooLargeError(StreamError):
    """An event is larger than the decoder's limit; `limit` in bytes."""

    limit: int | None = None


class CircuitOpenError(Error):
    """A circuit breaker refused to send. `recovers_at` is in the client's monotonic seconds."""

    default_retryable = True
    default_origin = "local"
    circuit: str | None = None
    key: str | None = None
    recovers_at: float | None = None
    last_failure: str | None = None


class PluginError(Error):
    """A hook of a plugin raised, or returned what that hook may not return. Never retried."""

    default_origin = "local"
    plugin: str | None = None
    hook: str | None = None


@frozen
class Problem:
    """One thing that is wrong with a configuration."""

    path: str
    """Where, such as ``retry.jitter``."""
    message: str
    source: str = field(default="arguments")
    """Who said so: a file, ``UNBROKEN_RETRY__JITTER``, ``arguments``."""

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.message} (from {self.source})" if self.path else f"{self.message} (from {self.source})"
        )


class ConfigurationError(Error, ValueError):
    """The configuration cannot be used. `problems` lists everything that is wrong with it."""

    default_origin = "local"
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, *problems: Problem) -> "ConfigurationError":
        """Make one error of all `problems`."""
        error = cls("\n".join(map(str, problems)))
        error.problems = problems
        return error
