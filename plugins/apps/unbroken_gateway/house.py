"""What one worker holds for all requests: state, logs, audit, traffic, and the present configuration."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from attrs import define, field

from unbroken import Error

from .admission import Admission
from .audit import Audit
from .auth import Authenticator
from .errors import Problem
from .reload import Live
from .settings import Settings
from .snapshot import Snapshot
from .state import State, StateUnavailable, open_state
from .streams import Streams, open_log
from .traffic import Traffic
from .upstreams import Upstreams

logger: Final = logging.getLogger("unbroken.gateway")


@define(eq=False)
class House:
    """The parts that requests share. `open` makes them, in the event loop that serves."""

    settings: Settings
    load: Callable[[], Settings] | None = None
    """Reads the configuration again; None if there is nothing to read."""
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    traffic: Traffic = field(factory=Traffic, init=False)
    state: State = field(init=False)
    streams: Streams = field(init=False)
    audit: Audit = field(init=False)
    admission: Admission = field(init=False)
    live: Live[Snapshot] = field(init=False)
    _tasks: "set[asyncio.Task[Any]]" = field(factory=set["asyncio.Task[Any]"], init=False)

    async def open(self) -> None:
        """Connect to the stores and build the clients."""
        settings = self.settings
        self.state = await open_state(settings, on_failure=self.traffic.alert)
        self.audit = await Audit.open(settings.audit)
        self.streams = Streams(await open_log(settings.state, settings.resume), settings.resume, frame_of=_last_frame)
        self.admission = Admission(
            state=self.state,
            audit=self.audit,
            refuse_without_audit=settings.audit.on_failure == "refuse",
            on_lost=self.traffic.alert,
        )
        self.live = Live(self._built, self.load)
        await self.live.start(settings)
        self.background(self.admission.beat_forever())

    async def _built(self, settings: Settings) -> Snapshot:
        return Snapshot(
            settings=settings,
            authenticator=Authenticator(settings, revoked=self.state.revoked),
            upstreams=Upstreams(settings, self.traffic.circuit_changed),
        )

    def background(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run `work` as a task of its own, which `aclose` waits for or ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def ready(self) -> bool:
        """Return whether calls can be admitted."""
        try:
            await self.state.users()
        except StateUnavailable:
            return False
        return True

    def failed(self, error: Error, problem: Problem) -> None:
        """Log the failure of an upstream, with what the client is not told."""
        if problem.alert:
            self.traffic.alert(problem.name)
        level = logging.ERROR if problem.alert else logging.WARNING
        logger.log(level, "%s: %s: %s", problem.name, type(error).__name__, error)

    async def aclose(self) -> None:
        """Write what is to be written, then close everything."""
        await self.streams.aclose()
        await self.admission.finished()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        await self.admission.finished()
        await self.live.aclose()
        await self.state.aclose()
        await self.audit.aclose()


def _last_frame(kind: str) -> bytes:
    raise NotImplementedError(kind)
