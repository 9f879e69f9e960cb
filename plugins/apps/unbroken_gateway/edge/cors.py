"""Which web pages may call the gateway (https://fetch.spec.whatwg.org/#http-cors-protocol).

Pages send their credential in a header of their own, never in a cookie, so ``Access-Control-Allow-Credentials`` is not
sent, with or without ``*`` on the list.
"""

import re
from typing import Final

from ..config.settings import CORS
from ..replies.answers import Answer
from .head import values_of
from .routes import Scope

EXPOSED: Final = (
    "request-id",
    "x-request-id",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "unbroken-stream",
    "unbroken-stream-ttl",
)
"""The headers of an answer that a page may read."""
ALLOWED: Final = frozenset(
    {
        "authorization", "x-api-key", "content-type", "anthropic-version", "anthropic-beta",
        "anthropic-dangerous-direct-browser-access", "x-request-id", "idempotency-key", "openai-organization",
        "openai-project", "last-event-id", "unbroken-resume",
        "user-agent",  # which the SDKs set, and which Firefox asks for
    }
)  # fmt: skip
"""The headers that a page may send, with those of `_STAINLESS`."""

_STAINLESS: Final = re.compile(r"x-stainless-[a-z0-9-]{1,64}")
_MAX_AGE: Final = "600"  # Chromium's longest is 7200 s; a page that is taken off the list is out after this
_ANY: Final = "*"
_METHOD: Final = b"access-control-request-method"
_HEADERS: Final = b"access-control-request-headers"


def is_preflight(scope: Scope) -> bool:
    """Return whether a browser asks if a page may send a request."""
    return scope["method"] == "OPTIONS" and bool(values_of(scope, b"origin")) and bool(values_of(scope, _METHOD))


def preflight(scope: Scope, cors: CORS, methods: tuple[str, ...]) -> Answer:
    """Return the answer to a preflight of a route with `methods`.

    A page that is not on the list, and one that wants another method, is permitted nothing. Of the headers that a page
    asks for, those that it may send are named.
    """
    fields = [
        ("content-length", "0"),
        ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]
    allowed = _allowed(scope, cors)
    if allowed and values_of(scope, _METHOD)[0].decode("latin-1") in methods:
        asked = b",".join(values_of(scope, _HEADERS)).decode("latin-1").lower().split(",")
        names = sorted({name for each in asked if _may_send(name := each.strip(" \t"))})
        fields += [("access-control-allow-origin", allowed), ("access-control-allow-methods", ", ".join(methods))]
        fields += [("access-control-allow-headers", ", ".join(names))] if names else []
        fields.append(("access-control-max-age", _MAX_AGE))
    return 204, _encoded(fields), b""


def cors_headers(scope: Scope, cors: CORS) -> list[tuple[bytes, bytes]]:
    """Return the further headers of every other answer, of errors and of streams too; none without a list."""
    if not cors.origins:
        return []
    allowed = _allowed(scope, cors)
    fields = [("vary", "Origin")]
    if allowed:
        fields += [("access-control-allow-origin", allowed), ("access-control-expose-headers", ", ".join(EXPOSED))]
    return _encoded(fields)


def _allowed(scope: Scope, cors: CORS) -> str:
    """Return the value of ``Access-Control-Allow-Origin``, empty if the page is not on the list."""
    origins = [origin.decode("latin-1") for origin in values_of(scope, b"origin")]
    # "null" is that of any sandboxed frame or local file.
    if len(origins) != 1 or origins[0] == "null":
        return ""
    if _ANY in cors.origins:
        return _ANY
    return origins[0] if origins[0] in cors.origins else ""


def _may_send(name: str) -> bool:
    return name in ALLOWED or _STAINLESS.fullmatch(name) is not None


def _encoded(fields: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in fields]
