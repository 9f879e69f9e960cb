"""Tickets for browsers' EventSource, which can send no headers and comes back to the same URL."""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any, Final

from attrs import frozen

from unbroken.clock import Clock, SystemClock

from . import StreamLog
from .cursors import Refusal, parse_cursor
from .worker import owner_of

_REVOKED: Final = 10_000_000_000
"""A mark further than any cursor."""


@frozen(kw_only=True)
class Redeemed:
    """What a valid ticket lets its holder read."""

    id: str
    owner: str
    after: int
    """The cursor: never before one that was shown with this ticket earlier."""
    issued_at: float
    """In Unix seconds, for revocations of what was issued before."""


class Tickets:
    """Issues and redeems tickets. A ticket is signed, so that any worker with the same `secret` redeems it.

    The log keeps one mark per ticket: the furthest cursor that its holder has shown, so has received. A later holder of
    the URL cannot read what is before it, and what was sent but never arrived is not skipped.
    """

    def __init__(self, log: StreamLog, secret: bytes, ttl: float, clock: Clock | None = None) -> None:
        """Sign with `secret`; a ticket is valid for `ttl` seconds."""
        self._log = log
        self._key = hmac.digest(secret, b"unbroken stream ticket", hashlib.sha256)
        self._ttl = ttl
        self._clock = SystemClock() if clock is None else clock

    async def issue(self, id: str, owner: str, origin: str) -> str | Refusal:
        """Return a ticket for a stream of `owner`, for pages of `origin`. Raises LogUnavailable."""
        if await self._last(id, owner) is None:
            return Refusal.UNKNOWN
        now = self._clock.time()
        text = json.dumps([id, owner, origin, secrets.token_urlsafe(9), now, now + self._ttl]).encode()
        return f"{_encode(text)}.{_encode(self._sign(text))}"

    async def redeem(self, ticket: str, origin: str, cursor: str | None = None) -> Redeemed | Refusal:
        """Return what to serve to a page of `origin`; `cursor` is its ``Last-Event-ID``. Raises LogUnavailable.

        A browser sends no ``Origin`` to the page's own: then the caller gives its own origin, if ``Sec-Fetch-Site``
        says ``same-origin``.
        """
        found = self._read(ticket)
        if found is None:
            return Refusal.UNKNOWN
        id, owner, allowed, name, issued, expires = found
        if allowed != origin or self._clock.time() >= expires:
            return Refusal.UNKNOWN
        after = parse_cursor(id, cursor)
        if isinstance(after, Refusal):
            return after
        last = await self._last(id, owner)
        if last is None or after > last:
            return Refusal.UNKNOWN
        place = await self._log.advance(id, name, after)
        if place == _REVOKED:
            return Refusal.UNKNOWN
        return Redeemed(id=id, owner=owner, after=place, issued_at=issued)

    async def revoke(self, ticket: str) -> None:
        """Make a ticket worthless in every worker. Raises LogUnavailable."""
        found = self._read(ticket)
        if found is not None:
            await self._log.advance(found[0], found[3], _REVOKED)

    async def _last(self, id: str, owner: str) -> int | None:
        page = await self._log.read(id, 0, 0)
        return None if page is None or owner_of(page) != owner else page.last

    def _sign(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, hashlib.sha256)

    def _read(self, ticket: str) -> list[Any] | None:
        """Return the fields of a ticket that was signed here."""
        try:
            text, signature = (base64.b64decode(part + "==", b"-_") for part in ticket.split("."))
        except ValueError:
            return None
        if not hmac.compare_digest(signature, self._sign(text)):
            return None
        fields: list[Any] = json.loads(text)
        return fields


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
