"""One of several workers. Its parent hands it the listening socket and a socket on which they talk in lines of JSON."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import define, evolve, field

from ..config.loading import load
from ..config.settings import Settings
from ..services import Services
from .gathering import report
from .loop import new_event_loop
from .one import Process

INTERVAL: Final = 1.0
"""Seconds between two reports."""
STOP: Final = b"stop\n"
"""The parent's word to let the calls under way end."""
CUT: Final = b"cut\n"
"""The parent's word to end them."""
HANDED_ON: Final = ("listen", "admin_listen", "workers", "development_token", "pepper", "admin_credential")
"""The settings that the parent decides for all of its workers."""


@define(eq=False)
class Worker:
    """Serves, and reports to its parent; when the parent is gone, it ends."""

    config: Path
    handed_on: dict[str, Any] = field(repr=False)
    at: socket.socket
    control: socket.socket

    async def run(self) -> None:
        """Serve until a signal or the end of the parent."""
        reader, self._writer = await asyncio.open_connection(sock=self.control)
        services = Services(self.load(), self.load)
        process = Process(services=services, at=self.at, on_ready=self._ready, is_worker=True)
        reporting = asyncio.ensure_future(self._report(services))
        orphan = asyncio.ensure_future(self._watch(reader, process))
        try:
            await process.run()
        finally:
            reporting.cancel()
            orphan.cancel()
            self._writer.close()

    def load(self) -> Settings:
        """Read the configuration, with what the parent has decided."""
        return evolve(load(self.config, os.environ), **self.handed_on)

    async def _ready(self) -> None:
        self._say({"ready": True})

    async def _report(self, services: Services) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            self._say({"report": report(services.traffic)})

    async def _watch(self, reader: asyncio.StreamReader, process: Process) -> None:
        while (line := await reader.readline()) != CUT:
            process.stop()
            if not line:
                return
        process.cut()

    def _say(self, message: dict[str, Any]) -> None:
        self._writer.write(msgspec.json.encode(message) + b"\n")

    _writer: asyncio.StreamWriter = field(init=False)


def main() -> None:
    """Take what the parent has handed on: two descriptors as arguments, and the first line on the control socket."""
    at, control = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    with control.makefile("rb", buffering=0) as lines:
        told = msgspec.json.decode(lines.readline())
    worker = Worker(Path(told["config"]), told["settings"], at, control)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(worker.run())
