"""The ASGI application: its routes, and what it opens at the start and closes at the end."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from attrs import define, field

from .calls.model_routes import Calls
from .edge import cors, routes
from .edge import head as edge
from .exchange import ClientGone, Exchange, Receive, Scope, Send
from .local_routes import LocalRoutes
from .replies.errors import Problem, Refused, internal, unavailable
from .services import Services
from .snapshot import Snapshot
from .streams import LogUnavailable
from .streams.live import Draining

logger: Final = logging.getLogger("unbroken.gateway")


@define(eq=False)
class Gateway:
    """The gateway as an ASGI application. Its lifespan opens and closes `services`."""

    services: Services
    _under_way: set[Exchange] = field(factory=set[Exchange], init=False)
    _calls: Calls = field(init=False)
    _local: LocalRoutes = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._calls = Calls(self.services)
        self._local = LocalRoutes(self.services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan of the process."""
        if scope["type"] == "http":
            await self._http(Exchange(scope, receive, send))
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def cut(self) -> None:
        """End all requests under way, each with an error that its client can read.

        Who reads a stream of another process is only disconnected, as the stream goes on.
        """
        self.services.cut()
        for exchange in list(self._under_way):
            if not exchange.follows:
                exchange.stop()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.services.open()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.services.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, exchange: Exchange) -> None:
        self._under_way.add(exchange)
        try:
            with self.services.live.use() as snapshot, suppress(ClientGone):
                await exchange.run(lambda its: self._handle(its, snapshot))
        finally:
            self._under_way.discard(exchange)

    async def _handle(self, exchange: Exchange, snapshot: Snapshot) -> None:
        try:
            await self._route(exchange, snapshot)
        except Refused as refused:
            if not refused.counted:
                self.services.traffic.refused(refused.problem)
            await _end(exchange, refused.problem)
        except asyncio.CancelledError:
            if not exchange.cut:
                raise
            await _end(exchange, unavailable(1.0))
        except ClientGone:
            raise
        except (LogUnavailable, Draining):
            self.services.traffic.failed("streams")
            await _end(exchange, unavailable(1.0))
        except Exception:
            logger.exception("request %s failed by a bug", exchange.id)
            self.services.traffic.alert(internal(), request_id=exchange.id)
            await _end(exchange, internal())

    async def _route(self, exchange: Exchange, snapshot: Snapshot) -> None:
        scope, settings = exchange.scope, snapshot.settings
        exchange.max_body, exchange.send_deadline = settings.max_body, settings.send_deadline
        exchange.shown_id = edge.client_request_id(scope) or exchange.id
        exchange.dialect = routes.dialect_of(scope, snapshot.routes.get(scope["path"]))
        exchange.headers = cors.cors_headers(scope, settings.cors)
        edge.check_head(scope, settings.hosts)
        if cors.is_preflight(scope):
            found = routes.locate(scope, snapshot.routes)
            exchange.headers = []
            await exchange.answer(cors.preflight(scope, settings.cors, found.route.methods))
            return
        found = routes.find(scope, snapshot.routes)
        route = found.route
        exchange.dialect, exchange.shared = routes.dialect_of(scope, route), route.dialect is None
        exchange.form = route.form or exchange.form
        edge.check_body(scope, route, settings.max_body)
        if route.takes_body:
            if self.services.draining:
                raise Refused(unavailable(1.0))
            await self._calls.answer(exchange, route, snapshot)
        else:
            await self._local.answer(exchange, found, snapshot)


async def _end(exchange: Exchange, problem: Problem) -> None:
    """Answer with `problem`; behind the head of an answer that is not complete, end the connection."""
    if not exchange.status:
        await exchange.refuse(problem)
    elif not exchange.ended:
        exchange.abort()
