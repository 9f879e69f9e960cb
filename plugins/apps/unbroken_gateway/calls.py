"""The routes that ask a model: admitted, carried, and answered streamed or whole."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from attrs import define

from unbroken import Event

from . import edge, frames, rules
from .admission import Place
from .bodies import encode_body, read_body
from .errors import Problem
from .exchange import Exchange, RawHeaders
from .failures import problem_of
from .forwarding import client_headers, upstream_headers, upstream_query
from .meter import Meter
from .outlets import Direct, Logged
from .relay import Call
from .routes import Route
from .services import Services
from .snapshot import Snapshot
from .streams.writing import Writer
from .values import AuditStart, Principal

EVENT_STREAM: Final[RawHeaders] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
"""The head of every stream. The last two keep proxies from compressing and buffering it."""


@define(eq=False)
class Calls:
    """Answers the POST routes."""

    services: Services

    async def answer(self, exchange: Exchange, route: Route, snapshot: Snapshot) -> None:
        """Answer one request. Raises Refused."""
        settings = snapshot.settings
        principal = await self.services.principal(exchange, snapshot)
        raw = await exchange.body(settings.body_deadline)
        body, tokens = await read_body(raw, settings.characters_per_token)
        prepared = rules.prepare(body, route=route, principal=principal, settings=settings, input_tokens=tokens)
        row = AuditStart(
            request_id=exchange.id,
            client_request_id="" if exchange.shown_id == exchange.id else exchange.shown_id,
            at=self.services.clock.time(),
            user=principal.user,
            issuer=principal.issuer,
            plan=principal.plan,
            route=route.path,
            dialect=prepared.upstream.dialect,
            model=prepared.asked_model,
            upstream=prepared.upstream.name,
            streamed=prepared.streamed,
            prompt=raw if settings.audit.prompts else None,
        )
        job = _Job(self.services, exchange, route, snapshot, principal, prepared, row)
        if not prepared.streamed:
            await job.plain()
        elif job.resumable:
            await job.resumable_stream()
        elif prepared.upstream.on_disconnect == "drain":
            await job.drained_stream()
        else:
            await job.direct_stream()


@define(eq=False)
class _Job:
    """One request that has passed the checks."""

    services: Services
    exchange: Exchange
    route: Route
    snapshot: Snapshot
    principal: Principal
    prepared: rules.Prepared
    row: AuditStart

    @property
    def resumable(self) -> bool:
        resume = self.snapshot.settings.resume
        return resume.enabled and (resume.always or edge.values_of(self.exchange.scope, b"unbroken-resume") == [b"1"])

    async def plain(self) -> None:
        """Answer with the whole answer of the upstream."""
        answer = await (await self._admitted()).send(cut=lambda: self.exchange.cut)
        if isinstance(answer, Problem):
            await self.exchange.refuse(answer)
            return
        await self.exchange.answer_json(answer.content, answer.status_code, client_headers(answer.headers.items()))

    async def direct_stream(self) -> None:
        """Stream to the client that waits; when it leaves, the call is cancelled."""
        await self._carry(await self._admitted())

    async def drained_stream(self) -> None:
        """Stream to the client; when it leaves, read on to the end of the call, for its usage."""
        call = await self._admitted()
        await asyncio.shield(self.services.background(self._carry(call)))

    async def _carry(self, call: Call) -> None:
        settings = self.snapshot.settings
        drains = self.prepared.upstream.on_disconnect == "drain"
        outlet = Direct(self.exchange, EVENT_STREAM, settings.keepalive, settings.open_after, drains)
        outlet.start()
        try:
            await call.stream(outlet)
        finally:
            outlet.close()

    async def resumable_stream(self) -> None:
        """Write the stream into a log that outlives the connection, and read it from there."""
        settings, streams = self.snapshot.settings, self.services.streams
        call = await self._admitted()
        opened: asyncio.Future[Problem | None] = asyncio.get_running_loop().create_future()

        async def produce(writer: Writer) -> None:
            await call.stream(Logged(writer, self.exchange, opened))

        try:
            id = await streams.start(self.principal.user, produce, dialect=self.exchange.form)
        except BaseException:
            await call.place.leave("failed", 503, error="streams")
            raise
        await asyncio.wait((opened,), timeout=settings.open_after or None)
        problem = opened.result() if opened.done() else None
        if problem is not None:
            await streams.delete(id, self.principal.user)
            await self.exchange.refuse(problem)
            return
        ttl = (b"unbroken-stream-ttl", b"%d" % settings.resume.ttl)
        await self.exchange.open([*EVENT_STREAM, (b"unbroken-stream", id.encode("ascii")), ttl])
        await streams.serve(id, self.principal.user, 0, self.exchange.send_part, keepalive=settings.keepalive)

    async def _admitted(self) -> Call:
        """Reserve a place, and return the call that is to be made in it."""
        settings, prepared, scope = self.snapshot.settings, self.prepared, self.exchange.scope
        entry = self.services.traffic.begin(
            self.row.request_id,
            self.row.user,
            self.route.path,
            prepared.upstream.name,
            prepared.asked_model,
            plan=self.row.plan,
        )
        allowance = settings.plans[self.principal.plan].allowance
        meter = Meter(
            price=prepared.model.price,
            characters_per_token=settings.characters_per_token,
            estimate=prepared.estimate,
            estimated_input=prepared.estimated_input,
            watched=allowance.budget is not None,
        )
        place: Place = await self.services.admission.enter(self.row, allowance, meter, entry)
        upstream = prepared.upstream
        return Call(
            client=self.snapshot.upstreams.clients[upstream.name],
            url=self.snapshot.upstreams.url(upstream.name, self.route.upstream_path, upstream_query(scope)),
            headers={**_headers(prepared.streamed), **dict(upstream_headers(scope, upstream.dialect))},
            content=encode_body(prepared.body),
            place=place,
            framing=self._framing(),
            done_mark=self.route.name == "chat",
            problem_of=lambda error: problem_of(
                error,
                now=self.services.clock.monotonic(),
                max_retry_after=settings.max_retry_after,
                show=upstream.show_errors,
            ),
            alert=self.services.failed,
            on_disconnect=upstream.on_disconnect if prepared.streamed else "",
        )

    def _framing(self) -> Callable[[Sequence[Event]], list[bytes]]:
        form = self.exchange.form
        if form == "chat" and not self.prepared.wants_usage:
            return lambda events: frames.frames(frames.without_usage(events), form)
        return lambda events: frames.frames(events, form)


def _headers(streamed: bool) -> dict[str, str]:
    # A captive portal's page is an error only for a client that accepts nothing else.
    accept = "text/event-stream" if streamed else "application/json"
    return {"content-type": "application/json", "accept": accept}
