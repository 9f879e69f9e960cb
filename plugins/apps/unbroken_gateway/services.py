"""What one worker holds for all requests: state, logs, audit, traffic, and the present configuration."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from unbroken import AsyncTransport, Clock, ConfigurationError, Error, SystemClock
from unbroken_metrics import Metrics

from .audit import Audit
from .auth.authenticator import Authenticator
from .calls.admission import Admission
from .calls.upstreams import Upstreams
from .config.reload import Live
from .config.settings import AuditSettings, Settings
from .edge.routes import table_of
from .exchange import Exchange
from .replies.answers import last_frame
from .replies.errors import Problem, Refused, forbidden_scope, internal, no_credential
from .snapshot import Snapshot
from .state import State, StateUnavailable
from .state.opening import REDIS, open_state
from .streams import StreamLog
from .streams.live import BATCH, Streams
from .streams.opening import open_log
from .streams.tickets import Tickets
from .traffic import Traffic
from .values import Principal

if TYPE_CHECKING:
    from .state.sharing import Sharing

logger: Final = logging.getLogger("unbroken.gateway")


@define(eq=False)
class Services:
    """The parts that requests share. `open` makes them, in the event loop that serves."""

    settings: Settings
    load: Callable[[], Settings] | None = None
    """Reads the configuration again; None if there is nothing to read."""
    open_audit: Callable[[AuditSettings], Audit] = Audit.of
    draining: bool = field(default=False, init=False)
    """Whether new calls are refused because the process stops."""
    stop_at: float = field(default=0.0, init=False)
    """Until when the streams under way may go on once it stops, in monotonic seconds."""
    clock: Clock = field(factory=SystemClock)
    transport: AsyncTransport | None = None
    """Carries the calls of the upstreams; None makes one for each."""
    metrics: Metrics = field(factory=Metrics, init=False)
    traffic: Traffic = field(init=False)
    state: State = field(init=False)
    streams: Streams = field(init=False)
    tickets: Tickets = field(init=False)
    _log: StreamLog = field(init=False)
    audit: Audit = field(init=False)
    admission: Admission = field(init=False)
    live: Live[Snapshot] = field(init=False)
    _tasks: "set[asyncio.Task[Any]]" = field(factory=set["asyncio.Task[Any]"], init=False)
    _calls: "set[asyncio.Task[None]]" = field(factory=set["asyncio.Task[None]"], init=False)
    """Calls that go on without their clients."""
    _cut: asyncio.Event = field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.traffic = Traffic(metrics=self.metrics, clock=self.clock)

    async def open(self) -> None:
        """Connect to the stores and build the clients. Raises ConfigurationError and whatever the stores raise."""
        settings = self.settings
        self.state = open_state(
            settings.state,
            workers=settings.workers,
            on_state_failure=settings.on_state_failure,
            on_failure=self.traffic.failed,
            now=self.clock.time,
        )
        self.audit = self.open_audit(settings.audit)
        self._log = open_log(settings.state, settings.resume, clock=self.clock)
        self.streams = Streams(
            self._log,
            settings.resume,
            last_frame,
            on_failure=self._producer_failed,
            batch=0 if settings.state == "memory" else BATCH,
            clock=self.clock,
        )
        secret = settings.pepper or settings.admin_credential or secrets.token_urlsafe(32)
        self.tickets = Tickets(self._log, secret.encode(), settings.resume.ttl, self.clock)
        self.admission = Admission(
            state=self.state,
            audit=self.audit,
            refuse_without_audit=settings.audit.on_failure == "refuse",
            on_lost=self.traffic.failed,
            clock=self.clock,
        )
        self.live = Live(self._build, self.load)
        await self.live.start(settings)
        self.background(self.admission.beat_forever())
        if settings.state.startswith(REDIS):
            self.background(self._shared().run())

    async def _build(self, settings: Settings) -> Snapshot:
        return Snapshot(
            settings=settings,
            routes=table_of(settings.aliases),
            authenticator=Authenticator(settings, revoked=self.state.revoked, clock=self.clock),
            upstreams=Upstreams(settings, self.metrics, self.traffic.reached, self.clock, self.transport),
        )

    def _shared(self) -> "Sharing":
        """Return what tells the other workers about the upstreams."""
        from .state.sharing import Sharing

        def known() -> dict[str, float]:
            with self.live.use() as snapshot:
                return snapshot.upstreams.known()

        def learn(what: str, seconds: float) -> None:
            with self.live.use() as snapshot:
                snapshot.upstreams.learn(what, seconds)

        url = self.settings.state
        return Sharing(url=url, known=known, learn=learn, on_failure=self.traffic.failed)

    async def principal(self, exchange: Exchange, snapshot: Snapshot) -> Principal:
        """Return who makes the request. Raises Refused."""
        scope, settings = exchange.scope, snapshot.settings
        peer = scope.get("client") or ("", 0)
        principal = await snapshot.authenticator.authenticate(scope["headers"], peer[0])
        if principal.plan not in settings.plans:  # a reload has removed it
            raise Refused(no_credential())
        if settings.scope is not None and settings.scope not in principal.scopes and principal.issuer != "development":
            raise Refused(forbidden_scope())
        return principal

    def background(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run `work` as a task of its own, which `aclose` ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._background_ended)
        return task

    def _background_ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a task of the gateway failed by a bug", exc_info=task.exception())
            self.traffic.alert(internal())

    def call(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Carry a call in a task of its own, which `aclose` waits for as for streams."""
        task = asyncio.ensure_future(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return task

    def cut(self) -> None:
        """End the calls that go on without their clients; `aclose` does not wait for any."""
        self._cut.set()
        self.streams.cut()
        for task in self._calls:
            task.cancel()

    async def reload(self) -> Settings:
        """Read the configuration again and return the settings in force. Raises ConfigurationError."""
        for name in await self.live.reload():
            logger.warning("%s changes only after a restart", name)
        return self.live.settings

    async def reload_quietly(self) -> None:
        """Read the configuration again, and log what is wrong with it."""
        try:
            await self.reload()
        except ConfigurationError as error:
            logger.error("the new configuration is not used: %s", error)  # noqa: TRY400  it says all
        else:
            logger.info("the new configuration is in force")

    def _producer_failed(self, id: str, error: Exception) -> None:
        logger.error("the stream %s failed by a bug", id, exc_info=error)
        self.traffic.alert(internal())

    async def ready(self) -> bool:
        """Return whether calls can be admitted."""
        if self.draining:
            return False
        try:
            await self.state.users()
        except StateUnavailable:
            return False
        return True

    def failed(self, error: Error, problem: Problem) -> None:
        """Log the failure of an upstream, with what the client is not told.

        The words of the upstream, behind the first colon, stay out of it: they may repeat a prompt or a key.
        """
        if problem.alert:
            self.traffic.alert(problem, request_id=error.request_id or "")
        logger.log(
            logging.ERROR if problem.alert else logging.WARNING,
            "%s: %s: %s [request %s, upstream's %s]",
            problem.name,
            type(error).__name__,
            error.message.partition(": ")[0],
            error.request_id,
            error.response_id,
        )

    async def _ended(self) -> None:
        """Wait for the ends of all calls that go on without their clients."""
        await self.streams.drain()
        while self._calls:
            await asyncio.wait(list(self._calls))

    async def aclose(self) -> None:
        """Write what is to be written, then close everything."""
        ends = asyncio.ensure_future(self._ended()), asyncio.ensure_future(self._cut.wait())
        seconds = max(0.0, self.stop_at - self.clock.monotonic())
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self.cut()
        await self._ended()
        for task in ends:
            task.cancel()
        await self.streams.aclose()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        await self.admission.finished()
        await self.live.aclose()
        await self.state.aclose()
        await self._log.aclose()
        await self.audit.aclose()
