"""The least that a gateway can do: ``python -m tests.benchmarks.gateway.passthrough UPSTREAM PORT``.

It hands each event on, on the client that the gateway uses, with the same policies: no users, limits, log or audit.
"""

import sys
from typing import Any

import uvicorn

from unbroken import AsyncClient

HEAD = [(b"content-type", b"text/event-stream; charset=utf-8")]
DIALECTS = {"/v1/messages": "anthropic", "/v1/chat/completions": "openai"}


class App:
    """``/SHAPE…/v1/messages`` asks the same path of the upstream."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._clients = {end: (dialect, AsyncClient(dialect=dialect)) for end, dialect in DIALECTS.items()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        dialect, client = next(each for end, each in self._clients.items() if scope["path"].endswith(end))
        headers = {"content-type": "application/json"}
        async with client.stream("POST", self._upstream + scope["path"], headers=headers, content=body) as stream:
            await send({"type": "http.response.start", "status": 200, "headers": HEAD})
            async for events in stream.batches():
                name = b"event: %b\n" if dialect == "anthropic" else b""
                frames = [(name and name % event.type.encode()) + b"data: %b\n\n" % event.raw for event in events]
                await send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})
        end = b"" if dialect == "anthropic" else b"data: [DONE]\n\n"
        await send({"type": "http.response.body", "body": end})


if __name__ == "__main__":
    uvicorn.run(App(sys.argv[1]), port=int(sys.argv[2]), lifespan="off", log_level="error", loop="auto")
