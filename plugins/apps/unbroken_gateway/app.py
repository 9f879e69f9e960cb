"""The ASGI application: its routes, and what it opens at the start and closes at the end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from attrs import define, field

from . import cors, edge, openapi, routes, rules
from .calls import Calls
from .errors import Refused, internal, unavailable
from .exchange import ClientGone, Exchange, Receive, Scope, Send
from .house import House
from .routes import Route
from .snapshot import Snapshot
from .streaming import StreamRoutes
from .values import Principal

logger: Final = logging.getLogger("unbroken.gateway")


@define(eq=False)
class Gateway:
    """The gateway as an ASGI application. Its settings are those of `house`, which is opened by the lifespan."""

    house: House
    draining: bool = field(default=False, init=False)
    """Whether new calls are refused because the process stops."""
    _under_way: set[Exchange] = field(factory=set[Exchange], init=False)
    _calls: Calls = field(init=False)
    _streams: StreamRoutes = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._calls = Calls(self.house)
        self._streams = StreamRoutes(self.house)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan of the process."""
        if scope["type"] == "http":
            await self._http(Exchange(scope, receive, send))
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            raise NotImplementedError(f"the gateway does not speak {scope['type']}")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.house.open()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.house.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, exchange: Exchange) -> None:
        self._under_way.add(exchange)
        try:
            with self.house.live.use() as snapshot:
                await exchange.run(lambda its: self._handle(its, snapshot))
        except ClientGone:
            pass
        finally:
            self._under_way.discard(exchange)

    async def _handle(self, exchange: Exchange, snapshot: Snapshot) -> None:
        try:
            await self._route(exchange, snapshot)
        except Refused as refused:
            await exchange.refuse(refused.problem)
        except ClientGone:
            raise
        except Exception:
            logger.exception("request %s failed by a bug", exchange.id)
            self.house.traffic.alert("internal")
            if not exchange.status:
                with suppress(ClientGone):
                    await exchange.refuse(internal())
            else:
                exchange.abort()

    async def _route(self, exchange: Exchange, snapshot: Snapshot) -> None:
        scope, settings = exchange.scope, snapshot.settings
        exchange.max_body, exchange.send_deadline = settings.max_body, settings.send_deadline
        head = edge.Head.of(scope)
        exchange.shown_id = head.request_id or exchange.id
        exchange.headers += cors.answer_headers(head.origin, settings.cors)
        if scope["method"] == "OPTIONS":
            status, headers = cors.preflight(head, settings.cors)
            await exchange.answer(status, headers, b"")
            return
        route = routes.match(scope["method"], scope["path"], scope.get("raw_path"), settings)
        exchange.dialect = head.dialect if route.shared else route.dialect
        edge.check(head, route, settings)
        handle = self._handlers[route.kind]
        await handle(exchange, route, snapshot, head)

    async def _health(self, exchange: Exchange, route: Route, snapshot: Snapshot, head: edge.Head) -> None:
        ready = route.name == "live" or (not self.draining and await self.house.ready())
        body = b'{"status":"ok"}' if ready else b'{"status":"unavailable"}'
        await exchange.answer(200 if ready else 503, [(b"content-type", b"application/json")], body)
