"""Who may use the admin port: the names it answers to, the pages that may call it, and the sessions of the operator.

Cookies know no ports: a page of another server on the same machine is of the same *site*, and the browser sends it our
cookie. So SameSite is not enough, and requests must come from the same *origin*.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from attrs import frozen

COOKIE: Final = "unbroken-admin"
SESSION_SECONDS: Final = 12 * 3600


@frozen
class Head:
    """The headers of a request by lower-case name, and how often each came."""

    values: Mapping[str, str]
    twice: frozenset[str]

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> "Head":
        """Return the headers of an ASGI scope."""
        values: dict[str, str] = {}
        twice: set[str] = set()
        for raw, value in scope["headers"]:
            name = raw.decode("latin-1").lower()
            if name in values:
                twice.add(name)
            values[name] = value.decode("latin-1")
        return cls(values, frozenset(twice))

    def get(self, name: str) -> str:
        """Return a header; empty if there is none."""
        return self.values.get(name, "")


def host_allowed(head: Head, names: Iterable[str]) -> bool:
    """Return whether there is exactly one Host, with one of `names`, so that no foreign name can be bound to us."""
    if "host" in head.twice:
        return False
    name, _ = split(head.get("host"))
    return name.lower() in names


def same_origin(head: Head, *, needed: bool) -> bool:
    """Return whether a browser says that a page of this port made the request.

    With `needed` it must say so; other programs than browsers say nothing.
    """
    site, origin = head.values.get("sec-fetch-site"), head.values.get("origin")
    if {"sec-fetch-site", "origin"} & head.twice or (site is not None and site != "same-origin"):
        return False
    if origin is None:
        return not needed
    scheme, _, place = origin.partition("://")
    return scheme in ("http", "https") and place == head.get("host")


def split(place: str) -> tuple[str, str]:
    """Return the name and the port of ``name:port``, ``[::1]:port`` or a name alone."""
    if place.startswith("["):
        name, _, rest = place[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = place.partition(":")
    return name, port


class Sessions:
    """Cookies that prove a login. They are signed with the credential, whose change ends them; nothing is stored."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now

    def open(self, credential: str) -> str:
        """Return the value of a new cookie."""
        text = f"{int(self._now()) + SESSION_SECONDS}.{secrets.token_hex(16)}"
        return f"{text}.{_signature(credential, text)}"

    def valid(self, credential: str | None, head: Head) -> bool:
        """Return whether a request has a cookie of ours that has not ended."""
        if not credential:
            return False
        for each in head.get("cookie").split(";"):
            name, _, value = each.strip().partition("=")
            text, _, signature = value.rpartition(".")
            if name == COOKIE and hmac.compare_digest(signature.encode(), _signature(credential, text).encode()):
                until = text.partition(".")[0]
                return self._now() < int(until)
        return False


def proven(credential: str | None, given: str) -> bool:
    """Return whether `given` is the credential of the operator. Without a credential nothing is."""
    return bool(credential) and hmac.compare_digest(_digest(given), _digest(credential or ""))


def bearer(head: Head) -> str | None:
    """Return the credential in the Authorization header; None if there is none."""
    kind, _, value = head.get("authorization").partition(" ")
    return value.strip() if kind.lower() == "bearer" and "authorization" not in head.twice else None


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _signature(credential: str, text: str) -> str:
    return hmac.new(_digest(credential), f"unbroken-admin:{text}".encode(), sha256).hexdigest()
