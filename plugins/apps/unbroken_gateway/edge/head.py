"""Checks on the head of a request, before anything else is done for it. They read the scope and wait for nothing."""

import os
import re
from collections.abc import Collection
from typing import Final

from attrs import evolve

from ..replies import errors
from ..replies.errors import Problem, Refused
from .routes import Route, Scope

MAX_HEADERS: Final = 100
MAX_HEAD: Final = 32 * 1024
"""Bytes of the path, the query and the headers."""

_HEALTH: Final = ("/health/live", "/health/ready")
_PER_HEADER: Final = 4  # the colon, a space, CR and LF
_HOST: Final = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))(?::([0-9]{1,5}))?")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_JSON: Final = re.compile(rb'application/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?', re.IGNORECASE)
_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_PORTS: Final = 65_536


def check_head(scope: Scope, hosts: Collection[str]) -> None:
    """Check the size of the head, its Host and its framing. Raises Refused.

    The Host must be there once and be one of `hosts` (in lower case, IPv6 without brackets), with any port. It is not
    looked at for the health of the process, which balancers ask by address.
    """
    _check_size(scope)
    if scope["path"] not in _HEALTH:
        _check_host(values_of(scope, b"host"), hosts)
    _check_framing(scope)


def check_body(scope: Scope, route: Route, max_body: int) -> None:
    """Check what the head says about the body, after `check_head`. Raises Refused.

    A body that the route does not take, that is larger than `max_body` bytes or of another type is refused before it is
    read. The head of a chunked one does not tell its size, so the bytes are to be counted as they come.
    """
    length = values_of(scope, b"content-length")
    chunked = bool(values_of(scope, b"transfer-encoding"))
    if not route.takes_body:
        if chunked or (length and int(length[0])):
            raise Refused(_closing(errors.invalid_request("This route takes no body.")))
        return
    if not chunked and not length:
        raise Refused(errors.length_required())
    if length and int(length[0]) > max_body:
        raise Refused(_closing(errors.body_too_large()))
    types = values_of(scope, b"content-type")
    # Codings would be a way to send more than `max_body`.
    if len(types) != 1 or _JSON.fullmatch(types[0]) is None or values_of(scope, b"content-encoding"):
        raise Refused(_closing(errors.wrong_type()))


def new_request_id() -> str:
    """Return a new request id of our own, ``req_`` and 32 hexadecimal digits."""
    return f"req_{os.urandom(16).hex()}"


def client_request_id(scope: Scope) -> str:
    """Return the client's ``x-request-id``; empty if it sent none, several, or one that may not stand in a header."""
    given = values_of(scope, b"x-request-id")
    return given[0].decode() if len(given) == 1 and _ID.fullmatch(given[0]) else ""


def values_of(scope: Scope, name: bytes) -> list[bytes]:
    """Return the values of the header `name`, given in lower case, each without white space at its ends."""
    return [value.strip(b" \t") for key, value in scope["headers"] if key.lower() == name]


def _check_size(scope: Scope) -> None:
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    path: bytes = scope.get("raw_path") or scope["path"].encode(errors="replace")
    size = len(path) + len(scope.get("query_string", b""))
    size += sum(len(name) + len(value) + _PER_HEADER for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEAD:
        raise Refused(_closing(errors.head_too_large()))


def _check_host(given: list[bytes], hosts: Collection[str]) -> None:
    # RFC 9112 §3.2: 400 for a request "that lacks a Host header field and to any request message that contains more
    # than one Host header field line or a Host header field with an invalid field value".
    match = _HOST.fullmatch(given[0]) if len(given) == 1 else None
    if match is None or int(match[3] or 0) >= _PORTS:
        raise Refused(errors.invalid_request("The request must have one valid Host header."))
    if (match[1] or match[2]).decode().lower() not in hosts:
        raise Refused(errors.invalid_request("This host is not served here."))


def _check_framing(scope: Scope) -> None:
    # RFC 9112 §6.3: a message with both "might indicate an attempt to perform request smuggling or response splitting
    # and ought to be handled as an error"; the connection is closed after it.
    lengths = values_of(scope, b"content-length")
    codings = values_of(scope, b"transfer-encoding")
    sound = len(lengths) + len(codings) <= 1 and all(coding.lower() == b"chunked" for coding in codings)
    if not sound or not all(map(_LENGTH.fullmatch, lengths)):
        text = "The request must declare the length of its body in one way."
        raise Refused(_closing(errors.invalid_request(text)))


def _closing(problem: Problem) -> Problem:
    """Return the problem so that the connection is closed: what follows on it is not the next request."""
    return evolve(problem, headers=(*problem.headers, ("connection", "close")))
