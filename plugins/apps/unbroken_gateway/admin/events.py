"""The stream of snapshots that the dashboard shows."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
import msgspec

from .http import Receive, Send

MOST_VIEWERS: Final = 8
"""Dashboards that are open at one time."""


class Viewers:
    """Sends `values` to each viewer, every `interval` seconds."""

    def __init__(self, values: Callable[[], Awaitable[dict[str, Any]]], interval: float) -> None:
        self._values, self._interval = values, interval
        self._open: set[anyio.CancelScope] = set()

    async def show(self, receive: Receive, send: Send) -> None:
        """Send snapshots until the viewer leaves. One viewer too many is told to come back later."""
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if len(self._open) >= MOST_VIEWERS:
            await send({"type": "http.response.body", "body": b"retry: 10000\nevent: busy\ndata:\n\n"})
            return
        left = anyio.Event()
        async with anyio.create_task_group() as tasks:
            scope = tasks.cancel_scope
            self._open.add(scope)
            try:
                tasks.start_soon(_watch, receive, left, scope)
                await self._send(send)
            finally:
                self._open.discard(scope)
        if not left.is_set():
            await send({"type": "http.response.body", "body": b""})

    def close(self) -> None:
        """End all streams."""
        for scope in tuple(self._open):
            scope.cancel()

    async def _send(self, send: Send) -> None:
        while True:
            event = b"event: snapshot\ndata: " + msgspec.json.encode(await self._values()) + b"\n\n"
            await send({"type": "http.response.body", "body": event, "more_body": True})
            await anyio.sleep(self._interval)


async def _watch(receive: Receive, left: anyio.Event, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    left.set()
    scope.cancel()
