"""A failed call in a few lines: the error, where it happened, the attempts, a hint."""

from collections.abc import Iterator, Sequence
from typing import Final

from unbroken import (
    Attempt,
    AuthenticationError,
    CircuitOpenError,
    ContentTypeError,
    Error,
    EventTooLargeError,
    NetworkError,
    PluginError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    ValidationError,
)

from ._console import printable

Hints = tuple[tuple[type[Error], str], ...]
TIMEOUT_HINT: Final = "the timeouts are settings of the timeout plugin: UNBROKEN_TIMEOUT__IDLE=120 and the like"

_HINTS: Final[Hints] = (
    (TruncatedStreamError, "what was printed is incomplete; for a stream without a terminal event use --dialect sse"),
    (TimeoutError, TIMEOUT_HINT),
    (NetworkError, "is the address right, and can this machine reach it?"),
    (AuthenticationError, "the server refused the credentials; give them with --header"),
    (QuotaExceededError, "waiting does not help: the account is at its limit"),
    (RateLimitError, "the server refuses more requests for now; send fewer, or wait"),
    (ValidationError, "the request itself is wrong: the path, the body or a header"),
    (ServerError, "the server failed; try again later"),
    (ContentTypeError, "this is no event stream: a login page, a proxy, or another path than meant"),
    (EventTooLargeError, "an event is larger than the limit of the client"),
    (StreamError, "what the server sends makes no sense as a stream"),
    (CircuitOpenError, "the circuit breaker protects the server; it lets calls through again later"),
    (PluginError, "a plugin has a bug; unbroken plugins shows who made it"),
)


def failure_block(error: Error, secrets: Sequence[str] = (), hints: Hints = ()) -> str:
    """Return the lines, without `secrets` and without control characters.

    `hints` belong to the command and go before the general ones; the first that fits the class of the error is shown.
    """
    text = "\n".join(_lines(error, (*hints, *_HINTS))) + "\n"
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return printable(text)


def _lines(error: Error, hints: Hints) -> Iterator[str]:
    yield f"{type(error).__name__}: {error.message}"
    if error.request_id:
        server = f" (the server's: {error.response_id})" if error.response_id else ""
        yield f"  request   {error.request_id}{server}"
    if error.phase:
        yield f"  phase     {error.phase}"
    if error.retry_after is not None:
        yield f"  wait      {error.retry_after:g} s, says the server"
    for number, attempt in enumerate(error.history):
        yield f"  {'attempts' if not number else '':9} {_attempt(attempt)}"
    hint = next((words for kind, words in hints if isinstance(error, kind)), None)
    if hint:
        yield f"  hint      {hint}"


def _attempt(attempt: Attempt) -> str:
    status = f" {attempt.status_code}" if attempt.status_code else ""
    what = f"{attempt.number}. {attempt.error}{status}"
    if attempt.decided_by is None:
        return what
    next_step = "gave up" if attempt.delay is None else f"waited {attempt.delay:.2f} s"
    reason = f" ({attempt.reason})" if attempt.reason else ""
    return f"{what}: {attempt.decided_by} {next_step}{reason}"
