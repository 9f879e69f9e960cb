"""The stream of snapshots that the dashboard shows."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
import msgspec

from .http import BadRequest, Receive, Send

MOST_VIEWERS: Final = 8
"""Dashboards that are open at one time."""


class Viewers:
    """Sends `values` to each viewer, every `interval` seconds."""

    def __init__(self, values: Callable[[], Awaitable[dict[str, Any]]], interval: float) -> None:
        self._values, self._interval = values, interval
        self._open: set[anyio.CancelScope] = set()

    async def show(self, receive: Receive, send: Send) -> None:
        """Send snapshots until the viewer leaves. Raises BadRequest when there are too many viewers."""
        if len(self._open) >= MOST_VIEWERS:
            raise BadRequest(503, "too many dashboards are open")
        async with anyio.create_task_group() as tasks:
            scope = tasks.cancel_scope
            self._open.add(scope)
            try:
                tasks.start_soon(_left, receive, scope)
                await self._send(send)
            finally:
                self._open.discard(scope)

    def close(self) -> None:
        """End all streams."""
        for scope in tuple(self._open):
            scope.cancel()

    async def _send(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while True:
            event = b"event: snapshot\ndata: " + msgspec.json.encode(await self._values()) + b"\n\n"
            await send({"type": "http.response.body", "body": event, "more_body": True})
            await anyio.sleep(self._interval)


async def _left(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
