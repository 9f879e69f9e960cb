"""The routes that ask a model: admitted, carried, and answered streamed or whole."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from attrs import define, evolve, field

from unbroken import Event

from ..edge import head as edge
from ..edge.bodies import encode_body, read_body
from ..edge.forwarding import client_headers, upstream_headers, upstream_query
from ..edge.routes import Route
from ..exchange import Exchange
from ..replies import frames
from ..replies.errors import Problem, Refused, unavailable
from ..replies.failures import problem_of
from ..services import Services
from ..snapshot import Snapshot
from ..streams import LogUnavailable
from ..streams.cursors import new_id
from ..streams.writing import Writer
from ..values import AuditStart, Ending, Principal
from . import rules
from .following import EVENT_STREAM, follow
from .meter import Meter
from .outlets import Direct, Logged
from .relay import Call


@define(eq=False)
class Calls:
    """Answers the POST routes."""

    services: Services

    async def answer(self, exchange: Exchange, route: Route, snapshot: Snapshot) -> None:
        """Answer one request. Raises Refused."""
        job = await self._job(exchange, route, snapshot)
        prepared = job.prepared
        if not prepared.streamed:
            await job.plain()
        elif job.row.stream_id:
            await job.resumable_stream()
        elif prepared.upstream.on_disconnect == "drain":
            await job.drained_stream()
        else:
            await job.direct_stream()

    async def _job(self, exchange: Exchange, route: Route, snapshot: Snapshot) -> "_Job":
        """Read and check the request. Of its body only what is sent upstream is kept, as a call may take minutes."""
        settings = snapshot.settings
        principal = await self.services.principal(exchange, snapshot)
        raw = await exchange.body(settings.body_deadline)
        body, tokens = await read_body(raw, settings.characters_per_token)
        prepared = rules.prepare(body, route=route, principal=principal, settings=settings, input_tokens=tokens)
        content, prompt = encode_body(prepared.body), raw if settings.audit.prompts else None
        prepared = evolve(prepared, body={})
        return _Job(self.services, exchange, route, snapshot, principal, prepared, content, prompt)


@define(eq=False)
class _Job:
    """One request that has passed the checks."""

    services: Services
    exchange: Exchange
    route: Route
    snapshot: Snapshot
    principal: Principal
    prepared: rules.Prepared
    content: bytes = field(repr=False)
    """The body that is sent upstream."""
    _prompt: bytes | None = field(repr=False)
    row: AuditStart = field(init=False)

    def __attrs_post_init__(self) -> None:
        exchange, principal, prepared = self.exchange, self.principal, self.prepared
        self.row = AuditStart(
            request_id=exchange.id,
            client_request_id="" if exchange.shown_id == exchange.id else exchange.shown_id,
            at=self.services.clock.time(),
            user=principal.user,
            issuer=principal.issuer,
            plan=principal.plan,
            route=self.route.path,
            dialect=prepared.upstream.dialect,
            model=prepared.asked_model,
            upstream=prepared.upstream.name,
            streamed=prepared.streamed,
            stream_id=new_id() if prepared.streamed and self._resumable else "",
            prompt=self._prompt,
        )

    @property
    def _resumable(self) -> bool:
        resume = self.snapshot.settings.resume
        return resume.enabled and (resume.always or edge.values_of(self.exchange.scope, b"unbroken-resume") == [b"1"])

    @property
    def _ending(self) -> Ending:
        """How a call ends that is cancelled now."""
        return "cut" if self.exchange.cut else "cancelled"

    async def plain(self) -> None:
        """Answer with the whole answer of the upstream."""
        answer = await (await self._admitted()).send(cut=lambda: self.exchange.cut)
        if isinstance(answer, Problem):
            raise Refused(answer, counted=True)
        await self.exchange.answer_json(answer.content, answer.status_code, client_headers(answer.headers.items()))

    async def direct_stream(self) -> None:
        """Stream to the client that waits; when it leaves, the call is cancelled."""
        await self._carry(await self._admitted())

    async def drained_stream(self) -> None:
        """Stream to the client; when it leaves, read on to the end of the call, for its usage."""
        carrying = self.services.call(self._carry(await self._admitted()))
        try:
            await asyncio.shield(carrying)
        except asyncio.CancelledError:
            if not self.exchange.cut:
                raise
            carrying.cancel()
            await asyncio.wait((carrying,))

    async def _carry(self, call: Call) -> None:
        settings = self.snapshot.settings
        drains = self.prepared.upstream.on_disconnect == "drain"
        outlet = Direct(self.exchange, EVENT_STREAM, settings.keepalive, settings.open_after, drains)
        with self.services.live.hold(self.snapshot):
            outlet.start()
            try:
                await call.stream(outlet)
            finally:
                outlet.close()

    async def resumable_stream(self) -> None:
        """Write the stream into a log that outlives the connection, and read it from there."""
        id, user, services = self.row.stream_id, self.principal.user, self.services
        call = await self._admitted()
        opened: asyncio.Future[Problem | None] = asyncio.get_running_loop().create_future()

        async def produce(writer: Writer) -> None:
            outlet = Logged(writer, self.exchange, opened)
            try:
                with services.live.hold(self.snapshot):
                    await call.stream(outlet)
            finally:
                if not opened.done():
                    opened.set_result(outlet.failure or unavailable(1.0))

        try:
            await services.streams.start(user, produce, id=id, form=self.exchange.form)
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            await call.place.leave(self._ending if cancelled else "failed", 0 if cancelled else 503, error="streams")
            raise
        try:
            await self._opened(opened)
            await follow(services, self.exchange, self.snapshot.settings, id, user, 0, counted=True)
        except BaseException:
            if not self.exchange.status:  # no client knows of the stream
                await asyncio.shield(services.background(self._forget()))
            raise

    async def _opened(self, opened: "asyncio.Future[Problem | None]") -> None:
        """Wait for content or for `open_after`. Raises Refused for a stream that fails before."""
        await asyncio.wait((opened,), timeout=self.snapshot.settings.open_after or None)
        if not opened.done():
            opened.set_result(None)
        problem = opened.result()
        if problem is not None:
            raise Refused(problem, counted=True)

    async def _forget(self) -> None:
        with suppress(LogUnavailable):
            await self.services.streams.delete(self.row.stream_id, self.principal.user)

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
        meter = self._meter(watched=allowance.budget is not None)
        upstream = prepared.upstream
        place = await self.services.admission.enter(self.row, allowance, meter, entry, lambda: self._ending)
        return Call(
            client=self.snapshot.upstreams.clients[upstream.name],
            url=self.snapshot.upstreams.url(upstream.name, self.route.upstream_path, upstream_query(scope)),
            headers={**_headers(prepared.streamed), **dict(upstream_headers(scope, upstream.dialect))},
            content=self.content,
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
            on_disconnect=upstream.on_disconnect,
        )

    def _meter(self, *, watched: bool) -> Meter:
        prepared = self.prepared
        return Meter(
            price=prepared.model.price,
            characters_per_token=self.snapshot.settings.characters_per_token,
            estimate=prepared.estimate,
            estimated_input=prepared.estimated_input,
            watched=watched,
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
