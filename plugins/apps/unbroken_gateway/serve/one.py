"""One process that serves: the gateway, its admin port, and what signals do to them."""

import asyncio
from collections.abc import Awaitable, Callable
from socket import socket
from typing import Any

from attrs import define, field

from ..admin import AdminApp
from ..app import Gateway
from ..services import Services
from .listening import Listener, listener
from .signals import on_signals


@define(eq=False, kw_only=True)
class Process:
    """Serves until a signal ends it.

    SIGTERM and SIGINT let the calls under way end, for ``drain`` seconds at most; a second one ends them at once, each
    with an error that its client can read. SIGHUP reads the configuration again.

    A worker may get a signal twice though it was sent once: from the terminal or the service manager, which address the
    whole group, and from its parent. So only its parent ends its calls, by `cut`.
    """

    services: Services
    at: socket
    admin_at: socket | None = None
    on_ready: Callable[[], Awaitable[None]]
    """Called when requests are accepted."""
    is_worker: bool = False
    _gateway: Gateway = field(init=False)
    _admin: AdminApp | None = field(default=None, init=False)
    _servers: list[Listener] = field(factory=list[Listener], init=False)
    _stopping: bool = field(default=False, init=False)
    _cutting: asyncio.TimerHandle | None = field(default=None, init=False)

    async def run(self) -> None:
        """Serve until it is told to stop."""
        on_signals(self.signalled, self._reload)
        settings = self.services.settings
        self._gateway = Gateway(self.services)
        main = listener(self._gateway, head_deadline=settings.head_deadline, drain=settings.drain)
        main.should_exit = self._stopping
        self._servers.append(main)
        serving = asyncio.ensure_future(main.serve([self.at]))
        await started(main, serving)
        admin = None
        if self.admin_at is not None and not serving.done():
            admin = await self._serve_admin(self.admin_at)
        if not serving.done():
            await self.on_ready()
        try:
            await serving
        finally:
            if self._cutting is not None:
                self._cutting.cancel()
            if admin is not None:
                self._servers[-1].should_exit = True
                await admin

    async def _serve_admin(self, at: socket) -> "asyncio.Task[Any]":
        settings = self.services.settings
        self._admin = app = AdminApp(
            settings=settings,
            traffic=self.services.traffic,
            state=self.services.state,
            audit=self.services.audit,
            reload=self.services.reload,
        )
        server = listener(app, head_deadline=settings.head_deadline, drain=1)
        self._servers.append(server)
        task = asyncio.ensure_future(server.serve([at]))
        task.add_done_callback(lambda _: app.close())
        await started(server, task)
        return task

    def signalled(self) -> None:
        """Stop; the second time, end the calls under way unless a parent is to say so."""
        if self._stopping and not self.is_worker:
            self.cut()
        self.stop()

    def stop(self) -> None:
        """Let the calls under way end. A second time changes nothing."""
        if self._stopping:
            return
        self._stopping = self.services.draining = True
        self.services.stop_at = asyncio.get_running_loop().time() + self.services.settings.drain
        for server in self._servers[:1]:
            server.should_exit = True
        self._cutting = asyncio.get_running_loop().call_later(self.services.settings.drain, self.cut)

    def cut(self) -> None:
        """End the calls under way."""
        self.stop()
        if any(server.started for server in self._servers):
            self._gateway.cut()

    def _reload(self) -> None:
        self.services.background(self._read_again())

    async def _read_again(self) -> None:
        await self.services.reload_quietly()
        if self._admin is not None:
            self._admin.settings = self.services.live.settings


async def started(server: Listener, serving: "asyncio.Task[Any]") -> None:
    """Wait until the server accepts, or has ended because it cannot."""
    while not server.started and not serving.done():  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.005)
