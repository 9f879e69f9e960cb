"""The parent of several workers: it starts them, replaces those that die, and serves the admin port for all."""

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import define, field

from unbroken import ConfigurationError

from ..admin import AdminApp
from ..audit import Audit
from ..config.settings import Settings
from ..state.opening import open_state
from .gathering import Gathered
from .listening import listener
from .signals import HANG_UP, on_signals
from .worker import CUT, HANDED_ON, STOP

logger: Final = logging.getLogger("unbroken.gateway")

LONGEST_LINE: Final = 16 * 1024 * 1024
_PAUSE: Final = 1.0
"""Seconds before a worker that has died is replaced."""


class CannotServe(Exception):
    """A worker could not start."""


@define(eq=False, kw_only=True)
class Supervisor:
    """Serves with ``settings.workers`` processes until a signal ends it."""

    settings: Settings
    config: Path
    load: Callable[[], Settings]
    at: socket.socket
    admin_at: socket.socket | None
    on_ready: Callable[[], Awaitable[None]]
    traffic: Gathered = field(factory=Gathered, init=False)
    _processes: dict[int, asyncio.subprocess.Process] = field(factory=dict[int, asyncio.subprocess.Process], init=False)
    _writers: dict[int, asyncio.StreamWriter] = field(factory=dict[int, asyncio.StreamWriter], init=False)
    _app: AdminApp | None = field(default=None, init=False)
    _rereading: "asyncio.Task[None] | None" = field(default=None, init=False)
    _stopping: asyncio.Event = field(factory=asyncio.Event, init=False)

    async def run(self) -> None:
        """Serve. Raises CannotServe if a worker ends before it was ready."""
        on_signals(self.stop, self._hang_up)
        workers = [asyncio.ensure_future(self._first(number)) for number in range(self.settings.workers)]
        try:
            running = await asyncio.gather(*workers)
            admin = asyncio.ensure_future(self._admin())
            await self.on_ready()
            await asyncio.gather(*running)
            admin.cancel()
            await asyncio.wait((admin,))
        except BaseException:
            self.stop()
            raise

    async def _first(self, number: int) -> "asyncio.Task[None]":
        """Start a worker and return, when it is ready, the task that keeps one running in its place."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(self._keep(number, ready))
        await asyncio.wait((ready, task), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            task.result()
            raise CannotServe("a worker ended before it was ready")
        return task

    async def _keep(self, number: int, ready: "asyncio.Future[None]") -> None:
        code = await self._run_one(number, ready)
        while not self._stopping.is_set() and ready.done():
            logger.error("worker %d has ended with %s; another takes its place", number, code)
            self.traffic.failed("worker")
            await asyncio.sleep(_PAUSE)
            code = await self._run_one(number, ready)

    async def _run_one(self, number: int, ready: "asyncio.Future[None]") -> int:
        ours, theirs = socket.socketpair()
        handed_on = {name: getattr(self.settings, name) for name in HANDED_ON}
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "from unbroken_gateway.serve.worker import main; main()",
                str(self.at.fileno()),
                str(theirs.fileno()),
                pass_fds=(self.at.fileno(), theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
            )
        self._processes[number] = process
        reader, writer = await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)
        self._writers[number] = writer
        writer.write(msgspec.json.encode({"config": str(self.config), "settings": handed_on}) + b"\n")
        if self._stopping.is_set():
            writer.write(STOP)
        try:
            while line := await reader.readline():
                self._heard(number, msgspec.json.decode(line), ready)
            return await process.wait()
        except ConnectionError:
            return await process.wait()
        finally:
            writer.close()
            self.traffic.ended_worker(process.pid)

    def _heard(self, number: int, message: dict[str, Any], ready: "asyncio.Future[None]") -> None:
        if "report" in message:
            self.traffic.take(self._processes[number].pid, message["report"])
        elif not ready.done():
            ready.set_result(None)

    def stop(self) -> None:
        """Let the calls under way end; the second time, end them."""
        word = CUT if self._stopping.is_set() else STOP
        self._stopping.set()
        for writer in self._writers.values():
            if not writer.is_closing():
                writer.write(word)

    def _hang_up(self) -> None:
        self._rereading = asyncio.ensure_future(self._show_again())
        self._read_again()

    async def _show_again(self) -> None:
        """Show the new configuration on the dashboard. The workers log what is wrong with it."""
        with suppress(ConfigurationError):
            settings = await asyncio.to_thread(self.load)
            if self._app is not None:
                self._app.settings = settings

    def _read_again(self) -> None:
        for process in self._processes.values():
            if process.returncode is None and HANG_UP is not None:
                process.send_signal(HANG_UP)

    async def _admin(self) -> None:
        if self.admin_at is None:
            return
        state, audit = open_state(self.settings.state, workers=self.settings.workers), Audit.of(self.settings.audit)
        self._app = app = AdminApp(
            settings=self.settings, traffic=self.traffic, state=state, audit=audit, reload=self._reload
        )
        server = listener(app, head_deadline=self.settings.head_deadline, drain=1)
        serving = asyncio.ensure_future(server.serve([self.admin_at]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            app.close()
            server.should_exit = True
            await serving
            raise
        finally:
            await state.aclose()
            await audit.aclose()

    async def _reload(self) -> Settings:
        """Check the configuration, then have every worker read it."""
        settings = await asyncio.to_thread(self.load)
        self._read_again()
        return settings
