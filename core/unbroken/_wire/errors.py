"""The errors that a transport may raise, made of what sockets and the parser raise."""

import builtins
import ssl

from ..errors import NetworkError, TimeoutError
from .head import Malformed


class Unusable(Exception):
    """The request itself cannot be sent."""


def translated(error: Exception) -> Exception:
    """Return the error to raise in place of `error`, which is returned as it is when it is no failure of HTTP."""
    if isinstance(error, builtins.TimeoutError) and error.errno is None:
        # With an errno it is TCP that gave up, long before the deadline perhaps.
        return error if isinstance(error, TimeoutError) else builtins.TimeoutError("the deadline has passed")
    if isinstance(error, ssl.SSLCertVerificationError):
        return NetworkError(f"TLS: {error.verify_message}", retryable=False)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        # A connection that ended within the handshake is no refusal. Only OpenSSL gives a reason.
        reason = getattr(error, "reason", None) or "handshake failed"
        return NetworkError(f"TLS: {reason}", retryable=False)
    if isinstance(error, OSError | Malformed):
        return NetworkError(str(error) or type(error).__name__)
    if isinstance(error, Unusable | UnicodeError):
        return NetworkError(str(error), retryable=False)
    return error


def is_loss(error: Exception) -> bool:
    """Return whether `error` may mean no more than that a kept connection was closed by the server meanwhile."""
    return isinstance(error, OSError | Malformed) and not isinstance(translated(error), builtins.TimeoutError)


def full() -> TimeoutError:
    """Return the error of a call that waited for a connection in vain."""
    return TimeoutError(
        "no connection became free: max_connections streams are open (connect timeout)",
        timeout="connect",
        is_local=True,
    )
