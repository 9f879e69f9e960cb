"""Faults that a client sees in the head, or in a body that is not a stream."""

from typing import Final

from ._anthropic import SPENT
from ._catalogue import FILLER, SAID, listed
from ._fault import Fault
from ._fields import Input, compact

_PORTAL: Final = b"<!doctype html><title>Welcome</title><p>Accept the terms to use this network.</p>"
_HINT: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"

# Good answers and proper refusals.


@listed
def ok(text: str | None = None, words: int | None = None) -> Fault:
    """Answer normally, with `text` or with a text of `words` words."""
    return Fault(text=text if words is None else " ".join(["water"] * words))


@listed
def thinking(text: str = "Let me think.", answer: str | None = None) -> Fault:
    """Think, then answer normally."""
    return Fault(thinking=text, text=answer)


@listed
def tool_use(name: str = "get_time", input: Input | None = None, text: str = "") -> Fault:
    """Call a tool, after `text` if there is any. As an input, text is sent as it is, also if it is no JSON."""
    return Fault(tools=[(name, {} if input is None else input)], text=text)


@listed
def status(code: int = 500, retry_after: float | str | None = None) -> Fault:
    """Refuse with a status and its usual error object. In a script the number alone is enough."""
    return Fault(status=code, headers=() if retry_after is None else (("retry-after", str(retry_after)),))


@listed
def rate_limited(retry_after: float | str | None = None) -> Fault:
    """Refuse with 429."""
    return status(429, retry_after)


@listed
def overloaded(retry_after: float | str | None = None) -> Fault:
    """Refuse with 529."""
    return status(529, retry_after)


@listed
def server_error() -> Fault:
    """Refuse with 500."""
    return status(500)


@listed
def spend_limit() -> Fault:
    """Refuse with a 429 for a spend limit, against which waiting does not help."""
    return Fault(status=429, error_code=SPENT, message="Spend limit reached")


# Heads and bodies that the client did not ask for.


@listed
def captive_portal() -> Fault:
    """Answer with 200 and an HTML page."""
    return Fault(body=_PORTAL, content_type="text/html")


@listed
def json_error(type: str = "overloaded_error") -> Fault:
    """Answer with 200 and an error object instead of a stream."""
    return Fault(body=compact({"type": "error", "error": {"type": type, "message": SAID}}), error=type, message=SAID)


@listed
def no_content() -> Fault:
    """Answer with 204."""
    return Fault(status=204)


@listed
def no_content_type() -> Fault:
    """Answer without a Content-Type."""
    return Fault(content_type=None)


@listed
def redirect(location: str = "/v1/messages", status: int = 307) -> Fault:
    """Redirect the client; by default to ``/v1/messages``, which is a loop."""
    return Fault(status=status, headers=(("Location", location),))


@listed
def not_http(data: bytes | str = b"220 smtp.example.org ESMTP\r\n\r\n") -> Fault:
    """Answer with bytes that are not HTTP, and close."""
    return Fault(before_head=True, insert=data, then="close")


@listed
def early_hints(times: int | None = None, interval: float = 0.1) -> Fault:
    """Send 103 Early Hints, then the answer; without `times`, send hints forever."""
    return Fault(before_head=True, insert=_HINT, times=times, interval=interval)


@listed
def many_headers(count: int = 5_000) -> Fault:
    """Answer normally, with many headers."""
    return Fault(headers=tuple((f"x-padding-{number}", "x") for number in range(count)))


@listed
def huge_header(size: int = 200_000) -> Fault:
    """Answer normally, with one very long header."""
    return Fault(headers=(("x-padding", "x" * size),))


@listed
def both_lengths() -> Fault:
    """Send both Content-Length and Transfer-Encoding."""
    return Fault(framing="both")


@listed
def huge_error(size: int = 1_000_000_000, status: int = 500) -> Fault:
    """Refuse with a body of `size` bytes."""
    times, rest = divmod(size, FILLER)
    return Fault(status=status, body=b" " * rest, insert=b" " * FILLER, times=times)
