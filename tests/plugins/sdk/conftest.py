"""Requests of httpx and httpx2 clients over our transports, against a script in virtual time."""

from contextlib import aclosing
from importlib import import_module
from typing import Any, Final

import pytest
from attrs import define, field

import unbroken_sdk
from unbroken.testing import Answer, AsyncScriptedTransport, ScriptedTransport, run, sse

ANTHROPIC: Final = "https://api.anthropic.com/v1/messages"
OPENAI: Final = "https://api.openai.com/v1/chat/completions"
JSON: Final = {"content-type": "application/json"}

START: Final = sse(
    ("message_start", {"type": "message_start", "message": {"id": "m", "content": [], "usage": {"output_tokens": 1}}})
)
BLOCK: Final = sse(
    ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
)
END: Final = sse(
    ("content_block_stop", {"type": "content_block_stop", "index": 0}),
    ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
    ("message_stop", {"type": "message_stop"}),
)


def text(said: str) -> bytes:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": said}}
    return sse(("content_block_delta", delta))


def failing(kind: str, said: str = "no") -> bytes:
    return sse(("error", {"type": "error", "error": {"type": kind, "message": said}}))


GOOD: Final = START + BLOCK + text("Hello") + END


def stream(*body: Any, **fields: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return Answer(headers={"content-type": "text/event-stream", **named}, body=body)


def json(*body: Any, status: int = 200, **fields: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return Answer(status=status, headers={**JSON, **named}, body=body)


@define(eq=False)
class Sent:
    """What the program above saw of one request."""

    scripted: Any
    response: Any = None
    chunks: list[bytes] = field(factory=list)
    error: BaseException | None = None
    elapsed: float = 0.0

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def status(self) -> int:
        return int(self.response.status_code)

    @property
    def headers(self) -> Any:
        return self.response.headers

    @property
    def stream(self) -> Any:
        return self.response.extensions["unbroken"]

    @property
    def requests(self) -> list[Any]:
        return list(self.scripted.requests)


@define(eq=False)
class Sending:
    """Makes a client and one request of it, or several with `times`."""

    name: str
    backend: Any
    clock: Any

    @property
    def library(self) -> Any:
        return import_module(self.name)

    @property
    def faces(self) -> Any:
        return getattr(unbroken_sdk, self.name)

    def __call__(self, script: Any, plugins: Any = (), **arguments: Any) -> Sent:
        return self.many(script, plugins, times=1, **arguments)[0]

    def many(
        self,
        script: Any,
        plugins: Any = (),
        *,
        times: int,
        asks: bool = True,
        method: str = "POST",
        url: str = ANTHROPIC,
        leave_after: int = -1,
        client: Any = None,
        options: Any = None,
        **request: Any,
    ) -> list[Sent]:
        is_sync = self.backend == "sync"
        scripted: Any = (ScriptedTransport if is_sync else AsyncScriptedTransport)(script, self.clock)
        make = self.faces.Transport if is_sync else self.faces.AsyncTransport
        transport = make([*plugins], transport=scripted, clock=self.clock, **(options or {}))
        settings = {"transport": transport, "trust_env": False, "timeout": None, **(client or {})}
        if method == "POST" and "content" not in request:
            request = {"json": {"stream": True} if asks else {"input": "x"}, **request}
        sent = [Sent(scripted) for _ in range(times)]
        if is_sync:
            with self.library.Client(**settings) as sync_client:
                for each in sent:
                    self._send(sync_client, each, leave_after, method, url, request)
        else:

            async def main() -> None:
                async with self.library.AsyncClient(**settings) as async_client:
                    for each in sent:
                        await self._asend(async_client, each, leave_after, method, url, request)

            run(main, clock=self.clock, backend=self.backend)
        assert scripted.closed
        assert scripted.open_exchanges == 0
        return sent

    def _send(self, client: Any, sent: Sent, leave_after: int, method: str, url: str, request: Any) -> None:
        began = self.clock.monotonic()
        try:
            with client.stream(method, url, **request) as sent.response:
                for chunk in sent.response.iter_raw():
                    sent.chunks.append(chunk)
                    if len(sent.chunks) == leave_after:
                        break
        except Exception as error:
            sent.error = error
        sent.elapsed = self.clock.monotonic() - began

    async def _asend(self, client: Any, sent: Sent, leave_after: int, method: str, url: str, request: Any) -> None:
        began = self.clock.monotonic()
        try:
            async with client.stream(method, url, **request) as sent.response:
                chunks = aiter(sent.response.stream)  # a generator of the library, which must be closed under trio
                async with aclosing(chunks):
                    async for chunk in chunks:
                        sent.chunks.append(chunk)
                        if len(sent.chunks) == leave_after:
                            break
        except Exception as error:
            sent.error = error
        sent.elapsed = self.clock.monotonic() - began


@pytest.fixture(params=["httpx", "httpx2"])
def send(request: pytest.FixtureRequest, backend: Any, fake_clock: Any) -> Sending:
    """A sender for each library, sync, under asyncio and under trio."""
    return Sending(request.param, backend, fake_clock)
