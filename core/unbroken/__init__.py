"""Consume event streams over HTTP without losing, duplicating or waiting forever for anything."""

import typing

from .call import Call, Key, Outcome
from .client import AsyncClient, Client
from .clock import Clock, SystemClock
from .decisions import DROP, FINISH, GiveUp, Reject, Replay, TryAgain, Wait
from .dialect import Dialect, Kind, RateLimitStatus
from .errors import (
    Attempt,
    AuthenticationError,
    CircuitOpenError,
    ConfigurationError,
    ContentTypeError,
    Error,
    EventTooLargeError,
    NetworkError,
    OverloadedError,
    PluginError,
    Problem,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    ValidationError,
)
from .headers import Headers
from .inbox import Inbox
from .messages import Event, Request, Response, Summary, Timeouts, Usage
from .plugin import Order, Plugin, hookimpl
from .signals import Signal
from .stream import AsyncStream, Stream
from .transport import AsyncExchange, AsyncTransport, Exchange, Opening, Transport

__all__ = (
    "DROP",
    "FINISH",
    "AsyncClient",
    "AsyncExchange",
    "AsyncStream",
    "AsyncTransport",
    "Attempt",
    "AuthenticationError",
    "Call",
    "CircuitOpenError",
    "Client",
    "Clock",
    "ConfigurationError",
    "ContentTypeError",
    "Dialect",
    "Error",
    "Event",
    "EventTooLargeError",
    "Exchange",
    "GiveUp",
    "Headers",
    "Inbox",
    "Key",
    "Kind",
    "NetworkError",
    "Opening",
    "Order",
    "Outcome",
    "OverloadedError",
    "Plugin",
    "PluginError",
    "Problem",
    "QuotaExceededError",
    "RateLimitError",
    "RateLimitStatus",
    "Reject",
    "Replay",
    "Request",
    "Response",
    "ServerError",
    "Signal",
    "Stream",
    "StreamError",
    "Summary",
    "SystemClock",
    "TimeoutError",
    "Timeouts",
    "Transport",
    "TruncatedStreamError",
    "TryAgain",
    "Usage",
    "ValidationError",
    "Wait",
    "hookimpl",
)

__version__: str
"""The version of this distribution, looked up when it is asked for: that takes longer than all imports above."""

if not typing.TYPE_CHECKING:  # pragma: no branch  # a checker would take the function for a type of every name

    def __getattr__(name: str) -> str:
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ._version import version

        return version()
