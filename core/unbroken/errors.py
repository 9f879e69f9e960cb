"""Everything that can go wrong with a call, as one tree of exceptions.

    Error
    ├── NetworkError              DNS, connect, TLS, reset, short body
    │   └── TruncatedStreamError  the connection ended before the terminal event
    ├── TimeoutError              one of the timeouts expired (also a builtin TimeoutError)
    ├── AuthenticationError       401, 403
    ├── RateLimitError            429
    │   └── QuotaExceededError    402, or a 429 that waiting cannot cure
    ├── ValidationError           400, 404, 413, 422 and other 4xx
    ├── ServerError               5xx
    │   └── OverloadedError       529, overloaded_error
    ├── StreamError               invalid bytes, SSE, JSON or order of events
    │   ├── ContentTypeError      the answer is not an event stream
    │   └── EventTooLargeError    an event over the limit
    ├── CircuitOpenError          a circuit breaker refused the call
    ├── PluginError               a hook raised, or returned a value that it may not
    └── ConfigurationError        unknown plugin, bad value: every problem at once

The engine sets the request id, the phase and the history on every error that it raises. All attributes are in
``__dict__``, so errors can be pickled and copied.
"""

import builtins
from typing import ClassVar, Literal, TypedDict, Unpack, get_args

from attrs import field, frozen

from .secrets import redact_keys

Phase = Literal["before", "connect", "headers", "first_event", "streaming", "complete"]
TimeoutName = Literal["connect", "first_event", "idle", "quiet", "total"]

PHASES: tuple[Phase, ...] = get_args(Phase)


@frozen(kw_only=True)
class Attempt:
    """One failed attempt of a call, as kept in `Error.history`."""

    number: int
    """The number of the attempt, from 1."""
    error: str
    """The class name of the error that ended the attempt."""
    status_code: int | None = None
    delay: float | None = None
    """Seconds waited before the next attempt; None if there was none."""
    decided_by: str | None = None
    """The plugin that decided what followed; ``engine`` for the engine's own rules; None if there was no decision."""
    reason: str = ""
    """Why the call was retried or given up, in a few words."""


class ErrorFields(TypedDict, total=False):
    """The keyword arguments of every error; `Error` describes them."""

    request_id: str | None
    status_code: int | None
    retryable: bool | None
    retry_after: float | None
    should_retry: bool | None
    phase: Phase | None
    attempts: int
    history: tuple[Attempt, ...]
    response_id: str | None
    is_local: bool | None
    delivered: bool
    kind: str | None


class Error(Exception):
    """Base of all errors raised by this library.

    `message` says what happened. It has no credentials and no content of the request.
    """

    default_retryable: ClassVar[bool] = False
    default_is_local: ClassVar[bool] = False

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
        attempts: int = 0,
        history: tuple[Attempt, ...] = (),
        response_id: str | None = None,
        is_local: bool | None = None,
        delivered: bool = False,
        kind: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id
        """The id of the call, the same for all its attempts and events."""
        self.status_code = status_code
        self.retryable = self.default_retryable if retryable is None else retryable
        """Whether a new call can help, now or after `retry_after`."""
        self.retry_after = retry_after
        """Seconds to wait before the next attempt, as the server or a local policy asks; None if neither does."""
        self.should_retry = should_retry
        """The server's answer to whether to retry (``x-should-retry``); None if it gave none."""
        self.phase = phase
        self.attempts = attempts
        """The number of attempts of the call that had begun."""
        self.history = history
        """The failed attempts of the call, the last one last; only the newest `unbroken.call.HISTORY` are kept."""
        self.response_id = response_id
        """The server's id of the response, from the header that the dialect names (such as ``request-id``)."""
        self.is_local = self.default_is_local if is_local is None else is_local
        """Whether the failure is this client's own. It then says nothing about the network or the server."""
        self.delivered = delivered
        """Whether the consumer already has part of the answer."""
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
    """The connection ended, cleanly or not, before the terminal event."""


class TimeoutError(Error, builtins.TimeoutError):
    """One of the timeouts expired: `timeout` is its name, `seconds` its setting."""

    default_retryable = True

    def __init__(
        self,
        message: str = "",
        *,
        timeout: TimeoutName | None = None,
        seconds: float | None = None,
        **fields: Unpack[ErrorFields],
    ) -> None:
        super().__init__(message, **fields)
        self.timeout = timeout
        self.seconds = seconds


class AuthenticationError(Error):
    """The credentials were refused (401, 403)."""


class RateLimitError(Error):
    """Too many requests (429). Retryable after `retry_after`."""

    default_retryable = True


class QuotaExceededError(RateLimitError):
    """A 402, or a 429 or 400 that waiting cannot cure: a spending limit is reached, or the account is empty."""

    default_retryable = False


class ValidationError(Error):
    """The request itself is wrong (400, 404, 413, 422 and other 4xx)."""


class ServerError(Error):
    """The server failed (5xx)."""

    default_retryable = True


class OverloadedError(ServerError):
    """The server has no capacity at the moment (529, ``overloaded_error``)."""


class StreamError(Error):
    """The answer is not a valid stream: its bytes, SSE, JSON or order of events."""


class ContentTypeError(StreamError):
    """The answer is not what was asked for but, say, the page of a captive portal. `body` is its sanitised start."""

    def __init__(
        self,
        message: str = "",
        *,
        content_type: str | None = None,
        body: str = "",
        **fields: Unpack[ErrorFields],
    ) -> None:
        super().__init__(message, **fields)
        self.content_type = content_type
        self.body = body


class EventTooLargeError(StreamError):
    """An event is larger than the decoder's limit. `limit` is in bytes."""

    def __init__(self, message: str = "", *, limit: int | None = None, **fields: Unpack[ErrorFields]) -> None:
        super().__init__(message, **fields)
        self.limit = limit


class CircuitOpenError(Error):
    """A circuit breaker refused to send the request. `recovers_at` is in seconds of the client's monotonic clock."""

    default_retryable = True
    default_is_local = True

    def __init__(
        self,
        message: str = "",
        *,
        circuit: str | None = None,
        key: str | None = None,
        recovers_at: float | None = None,
        last_failure: str | None = None,
        **fields: Unpack[ErrorFields],
    ) -> None:
        super().__init__(message, **fields)
        self.circuit = circuit
        self.key = key
        self.recovers_at = recovers_at
        self.last_failure = last_failure


class PluginError(Error):
    """A hook of a plugin raised, or returned a value that the hook may not return. Never retried."""

    default_is_local = True

    def __init__(
        self,
        message: str = "",
        *,
        plugin: str | None = None,
        hook: str | None = None,
        **fields: Unpack[ErrorFields],
    ) -> None:
        super().__init__(message, **fields)
        self.plugin = plugin
        self.hook = hook


@frozen
class Problem:
    """One thing that is wrong with a configuration."""

    path: str
    """The setting, such as ``retry.jitter``."""
    message: str = field(converter=redact_keys)
    """What is wrong. It may quote a value, so keys and tokens of a known form are removed."""
    source: str = field(default="arguments")
    """The source of the value: a file, ``UNBROKEN_RETRY__JITTER``, ``arguments``."""

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.message} (from {self.source})" if self.path else f"{self.message} (from {self.source})"
        )


class ConfigurationError(Error, ValueError):
    """The configuration cannot be used. `problems` lists everything that is wrong with it."""

    default_is_local = True

    def __init__(self, message: str = "", *, problems: tuple[Problem, ...] = (), **fields: Unpack[ErrorFields]) -> None:
        super().__init__(message, **fields)
        self.problems = problems

    @classmethod
    def of(cls, *problems: Problem) -> "ConfigurationError":
        """Return one error that lists all `problems`."""
        return cls("\n".join(map(str, problems)), problems=problems)
