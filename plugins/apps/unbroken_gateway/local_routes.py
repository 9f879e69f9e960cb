"""The routes that ask no model: health, the list of models, and resumable streams."""

import functools
from urllib.parse import parse_qs

import msgspec
from attrs import define

from unbroken import __version__

from .calls import rules
from .calls.following import follow, refused
from .edge import head as edge
from .edge.routes import Found
from .exchange import Exchange
from .openapi import document
from .replies import errors
from .replies.errors import Refused
from .services import Services
from .snapshot import Snapshot
from .state import StateUnavailable
from .streams.cursors import Refusal, parse_cursor
from .values import Principal


@define(eq=False)
class LocalRoutes:
    """Answers the routes without a body."""

    services: Services

    async def answer(self, exchange: Exchange, found: Found, snapshot: Snapshot) -> None:
        """Answer one request. Raises Refused and LogUnavailable."""
        name = found.route.name
        if name in ("live", "ready"):
            await self._health(exchange, ready=name == "live" or await self.services.ready())
        elif name == "openapi":
            await exchange.answer_json(_description())
        elif name == "models":
            principal = await self.services.principal(exchange, snapshot)
            listed = rules.models_answer(snapshot.settings, principal, exchange.dialect)
            await exchange.answer_json(msgspec.json.encode(listed), headers=[(b"vary", b"anthropic-version")])
        elif name == "ticket":
            await self._ticket(exchange, found.stream, snapshot)
        elif exchange.scope["method"] == "DELETE":
            principal = await self.services.principal(exchange, snapshot)
            if not await self.services.streams.delete(found.stream, principal.user):
                raise Refused(errors.unknown_stream())
            await exchange.answer((204, exchange.ids(), b""))
        else:
            await self._read(exchange, found.stream, snapshot)

    async def _health(self, exchange: Exchange, *, ready: bool) -> None:
        if ready:
            await exchange.answer_json(b'{"status":"ok"}')
        else:
            await exchange.answer_json(b'{"status":"unavailable"}', 503)

    async def _read(self, exchange: Exchange, id: str, snapshot: Snapshot) -> None:
        """Send what is in a stream behind the cursor of the client, then what comes."""
        query = parse_qs(exchange.scope.get("query_string", b"").decode("latin-1"), max_num_fields=100)
        cursor = _cursor(exchange, id, query)
        if "ticket" in query:
            user, after = await self._redeemed(exchange, id, query["ticket"][0], cursor)
        else:
            user, after = (await self.services.principal(exchange, snapshot)).user, _good(parse_cursor(id, cursor))
        await follow(self.services, exchange, snapshot.settings, id, user, after)

    async def _ticket(self, exchange: Exchange, id: str, snapshot: Snapshot) -> None:
        """Give a page the URL under which its EventSource reads a stream."""
        principal = await self.services.principal(exchange, snapshot)
        origins = edge.values_of(exchange.scope, b"origin")
        if len(origins) != 1:
            raise Refused(
                errors.invalid_request("A ticket is for the page of one Origin; without one, use Last-Event-ID.")
            )
        ticket = await self.services.tickets.issue(id, principal.user, origins[0].decode("latin-1"))
        if isinstance(ticket, Refusal):
            raise refused(ticket)
        told = {"ticket": ticket, "path": f"/v1/streams/{id}?ticket={ticket}"}
        await exchange.answer_json(msgspec.json.encode(told))

    async def _redeemed(self, exchange: Exchange, id: str, ticket: str, cursor: str | None) -> tuple[str, int]:
        """Return the user and the cursor of a ticket. Raises Refused."""
        found = await self.services.tickets.redeem(ticket, _origin(exchange), cursor)
        if isinstance(found, Refusal):
            raise refused(found)
        issuer, _, name = found.owner.partition("|")
        principal = Principal(id=name, issuer=issuer, plan="", issued_at=found.issued_at)
        try:
            revoked = await self.services.state.revoked(principal)
        except StateUnavailable:
            raise Refused(errors.unavailable(1.0)) from None
        if found.id != id or revoked:
            raise Refused(errors.unknown_stream())
        return found.owner, found.after


@functools.cache
def _description() -> bytes:
    return msgspec.json.encode(document(__version__))


def _cursor(exchange: Exchange, id: str, query: dict[str, list[str]]) -> str | None:
    """Return the cursor of ``Last-Event-ID`` or, without it, of ``?after=``, which may be the number alone."""
    given = edge.values_of(exchange.scope, b"last-event-id")
    if given:
        return given[0].decode("latin-1")
    after = query.get("after", [""])[0]
    return f"{id}.{after}" if after.isdecimal() else after or None


def _good(after: int | Refusal) -> int:
    if isinstance(after, Refusal):
        raise refused(after)
    return after


def _origin(exchange: Exchange) -> str:
    """Return the origin of the page. For a page of the gateway's own origin browsers send none with a GET."""
    given = edge.values_of(exchange.scope, b"origin")
    if given:
        return given[0].decode("latin-1")
    if edge.values_of(exchange.scope, b"sec-fetch-site") == [b"same-origin"]:
        return (
            f"{exchange.scope.get('scheme', 'http')}://{edge.values_of(exchange.scope, b'host')[0].decode('latin-1')}"
        )
    return ""
