"""What of a request goes to the upstream besides its body, and what of the answer's head comes back: lists of names.

Any other header stays here: credentials, hop-by-hop ones, variants of a name with ``_``, and those with which a client
could choose an account of the operator or share the answer of another user (``idempotency-key``).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from ..values import DialectName
from .routes import Scope

REQUEST_HEADERS: Final[Mapping[DialectName, frozenset[str]]] = {
    "anthropic": frozenset({"anthropic-version", "anthropic-beta"}),
    "openai": frozenset({"openai-beta"}),
}
RESPONSE_HEADERS: Final = frozenset({"openai-processing-ms", "openai-version"})
QUERY: Final = frozenset({"beta"})

_VERSION: Final = ("anthropic-version", "2023-06-01")
"""What the API requires, for clients such as a page that calls an alias without an SDK."""
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,1022}[\x21-\x7e])?")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def upstream_headers(scope: Scope, dialect: DialectName) -> list[tuple[str, str]]:
    """Return the headers of the request that go to an upstream of `dialect`, repeated ones joined by a comma."""
    allowed = REQUEST_HEADERS[dialect]
    kept: dict[str, str] = {}
    for key, value in scope["headers"]:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        if name in allowed and _VALUE.fullmatch(text):
            kept[name] = f"{kept[name]}, {text}" if name in kept else text
    if dialect == "anthropic":
        kept.setdefault(*_VERSION)
    return list(kept.items())


def client_headers(answered: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of the upstream's answer that go to the client."""
    fields = ((name.lower(), value) for name, value in answered)
    return [
        (name.encode(), value.encode())
        for name, value in fields
        if name in RESPONSE_HEADERS and _VALUE.fullmatch(value)
    ]


def upstream_query(scope: Scope) -> str:
    """Return the part of the query that goes to the upstream, such as ``beta=true``; empty without any."""
    query = scope.get("query_string", b"").decode("latin-1")
    given = dict(parse_qsl(query, max_num_fields=100)) if query.count("&") < 100 else {}
    return "&".join(f"{name}={given[name]}" for name in sorted(QUERY & given.keys()) if _PLAIN.fullmatch(given[name]))
