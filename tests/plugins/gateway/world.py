"""The whole gateway in virtual time: an ASGI client in front of it, a scripted upstream behind it, nothing between."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, evolve, field

from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, run, sse
from unbroken_gateway.app import Gateway
from unbroken_gateway.config.settings import AuditSettings, Model, Plan, Settings, Upstream
from unbroken_gateway.exchange import ABORT
from unbroken_gateway.services import Services
from unbroken_gateway.values import Allowance, AuditEnd, AuditStart, Price

TOKEN = "development-token-Zk2mVw9sLxT4bYhN8cRf"
URL = "https://up.example"
SETTINGS = Settings(
    upstreams={
        "claude": Upstream(name="claude", dialect="anthropic", url=URL, key="sk-upstream", plugins=("timeout",)),
        "gpt": Upstream(name="gpt", dialect="openai", url=URL, key="sk-upstream", plugins=("timeout",)),
    },
    models={
        "claude": Model(
            name="claude", upstream="claude", model="claude-up", price=Price(input=3_000_000, output=15_000_000)
        ),
        "gpt": Model(name="gpt", upstream="gpt", model="gpt-up", price=Price(input=3_000_000, output=15_000_000)),
    },
    plans={"development": Plan(name="development", models=("claude", "gpt"))},
    development_token=TOKEN,
    admin_listen=None,
    audit=AuditSettings(path=None),
)

ROUTES = {"messages": "/v1/messages", "chat": "/v1/chat/completions", "responses": "/v1/responses"}
BODIES: dict[str, dict[str, Any]] = {
    "messages": {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]},
    "chat": {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]},
    "responses": {"model": "gpt", "input": "hi"},
}


def messages_events(text: str = "Hello there", *, usage: tuple[int, int] = (10, 5)) -> list[bytes]:
    """Return the events of a good answer of Messages, a piece for each word."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "content": []}
    counted = {"input_tokens": usage[0], "output_tokens": min(1, usage[1])}
    words = [word + " " for word in text.split()]
    deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": w}} for w in words]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": counted}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": usage[1]},
        },
        {"type": "message_stop"},
    ]
    return [sse((event["type"], event)) for event in events]


def chat_events(text: str = "Hello there", *, usage: tuple[int, int] | None = (10, 5)) -> list[bytes]:
    """Return the events of a good answer of Chat Completions, with the chunk that counts it."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-up"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return sse(json.dumps({**head, "choices": [choice]}))

    counted = (
        []
        if usage is None
        else [{"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}]
    )
    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": word + " "}) for word in text.split()),
        chunk({}, "stop"),
        *(sse(json.dumps({**head, "choices": [], "usage": each})) for each in counted),
        sse("[DONE]"),
    ]


def responses_events(text: str = "Hello there", *, usage: tuple[int, int] = (10, 5)) -> list[bytes]:
    """Return the events of a good answer of Responses."""
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-up", "output": []}
    counted = {"input_tokens": usage[0], "output_tokens": usage[1], "total_tokens": sum(usage)}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    words = [word + " " for word in text.split()]
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        *({"type": "response.output_text.delta", **place, "delta": word} for word in words),
        {"type": "response.output_text.done", **place, "text": "".join(words)},
        {"type": "response.completed", "response": {**response, "status": "completed", "usage": counted}},
    ]
    return [sse((event["type"], {**event, "sequence_number": n})) for n, event in enumerate(events)]


EVENTS = {"messages": messages_events, "chat": chat_events, "responses": responses_events}


@define(eq=False)
class Ledger:
    """An audit in memory, without a thread."""

    starts: list[AuditStart] = field(factory=list[AuditStart])
    ends: list[AuditEnd] = field(factory=list[AuditEnd])

    async def start(self, row: AuditStart) -> None:
        self.starts.append(row)

    async def end(self, row: AuditEnd) -> None:
        self.ends.append(row)

    async def aclose(self) -> None:
        pass


@define(eq=False)
class Got:
    """What a client gets of one request, while it arrives."""

    task: "asyncio.Task[None]"
    status: int = 0
    headers: dict[str, str] = field(factory=dict[str, str])
    parts: list[tuple[float, bytes]] = field(factory=list[tuple[float, bytes]])
    """Each piece of the body, and when it came."""
    ended: bool = False
    aborted: bool = False
    _inbox: "asyncio.Queue[dict[str, Any]]" = field(factory=asyncio.Queue[dict[str, Any]])
    changed: asyncio.Event = field(factory=asyncio.Event)

    @property
    def body(self) -> bytes:
        return b"".join(part for _, part in self.parts)

    def json(self) -> Any:
        return json.loads(self.body)

    async def until(self, reached: "Callable[[Got], bool]") -> None:
        """Wait until `reached` is true of this."""
        while not reached(self):
            self.changed.clear()
            await self.changed.wait()

    def send(self, chunk: bytes, *, more: bool = True) -> None:
        """Send a further part of a body whose end was not sent."""
        self._inbox.put_nowait({"type": "http.request", "body": chunk, "more_body": more})

    def abort(self) -> None:
        """What the server does when the gateway ends the connection."""
        self.aborted = True
        self.leave()

    def leave(self) -> None:
        """Close the connection."""
        self._inbox.put_nowait({"type": "http.disconnect"})

    async def whole(self) -> "Got":
        """Wait for the end of the answer."""
        await self.task
        return self


@define(eq=False)
class World:
    """A gateway that runs, the upstream behind it, and what it has noted."""

    services: Services
    gateway: Gateway
    upstream: AsyncScriptedTransport
    clock: FakeClock
    ledger: Ledger
    reading: asyncio.Event = field(factory=asyncio.Event)
    """Clear it, and clients read nothing."""

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Iterable[tuple[str, str]] = (),
        token: str | None = TOKEN,
        host: str | None = "localhost",
        chunks: Iterable[bytes] | None = None,
        query: str = "",
    ) -> Got:
        """Send a request, and return what will arrive. `chunks` is a body whose end is not sent."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = [("host", host)] if host is not None else []
        fields += [("authorization", f"Bearer {token}")] if token is not None else []
        if method == "POST":
            fields += [("content-type", "application/json")]
            fields += [("transfer-encoding", "chunked")] if chunks is not None else [("content-length", str(len(raw)))]
        given = {name for name, _ in headers}
        fields = [*(each for each in fields if each[0] not in given), *headers]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields],
            "client": ("127.0.0.1", 1234),
            "scheme": "http",
        }
        got = Got(task=None)  # type: ignore[arg-type]
        scope["extensions"] = {ABORT: got.abort}
        for chunk in () if chunks is None else chunks:
            got.send(chunk)
        if chunks is None:
            got.send(raw, more=False)
        got.task = asyncio.ensure_future(self._run(scope, got))
        return got

    async def _run(self, scope: dict[str, Any], got: Got) -> None:
        async def send(message: Any) -> None:
            await self.reading.wait()
            if message["type"] == "http.response.start":
                assert got.status == 0, "two heads"
                got.status = message["status"]
                got.headers = {n.decode(): v.decode("latin-1") for n, v in message["headers"]}
            else:
                assert got.status, "a part before the head"
                assert not got.ended, "a part after the body"
                got.ended = not message.get("more_body", False)
                if message.get("body"):
                    got.parts.append((self.clock.monotonic(), message["body"]))
                if got.ended:
                    got.leave()  # servers tell so when the answer is complete
            got.changed.set()

        await self.gateway(scope, got._inbox.get, send)

    def post(self, form: str = "messages", /, *, stream: bool = True, **options: Any) -> Got:
        """Ask a model by one of its routes; `body` adds to the usual body."""
        body = {**BODIES[form], "stream": stream, **options.pop("body", {})}
        return self.ask("POST", ROUTES[form], body, **options)

    async def settled(self) -> None:
        """Wait until all that a request has left behind is done."""
        for _ in range(20):
            await asyncio.sleep(0)
        await self.services.admission.finished()

    async def nothing_is_left(self) -> None:
        """Check that no call is under way in any part, and that each row has one ending."""
        await self.settled()
        services = self.services
        assert (self.upstream.open_exchanges, services.admission.held, self.gateway._under_way) == (0, {}, set())
        assert services.traffic.snapshot()["under_way"] == 0
        assert not services._calls
        assert not services.streams._producers
        started = sorted(row.request_id for row in self.ledger.starts)
        assert sorted(row.request_id for row in self.ledger.ends) == started
        assert len(set(started)) == len(started)
        for user in await services.state.users():
            assert (await services.state.standing(user, self.allowance)).streams == 0

    @property
    def allowance(self) -> Allowance:
        """That of the only plan."""
        return self.services.settings.plans["development"].allowance


@asynccontextmanager
async def world(
    script: Iterable[Answer] | Callable[[Any], Answer], clock: FakeClock, **changes: Any
) -> AsyncIterator[World]:
    """Run a gateway. `changes` are of `SETTINGS`; ``allowance`` is that of the only plan, ``upstream`` of each one."""
    allowance, upstream = changes.pop("allowance", Allowance()), changes.pop("upstream", {})
    given, load = changes.pop("ledger", None), changes.pop("load", None)
    settings = evolve(SETTINGS, **changes)
    if "plans" not in changes:
        plan = evolve(settings.plans["development"], allowance=allowance)
        settings = evolve(settings, plans={"development": plan})
    upstreams = {name: evolve(each, **upstream) for name, each in settings.upstreams.items()}
    settings = evolve(settings, upstreams=upstreams)
    transport, ledger = AsyncScriptedTransport(script, clock), given or Ledger()
    services = Services(settings, load, clock=clock, transport=transport, open_audit=lambda _: ledger)  # type: ignore[arg-type, return-value]
    made = World(services, Gateway(services), transport, clock, ledger)
    made.reading.set()
    await services.open()
    try:
        yield made
    finally:
        await services.aclose()


def play(story: Callable[[World], Awaitable[None]], script: Any = (), **changes: Any) -> None:
    """Run `story` with a gateway in virtual time."""
    clock = FakeClock()

    async def told() -> None:
        async with world(script, clock, **changes) as made:
            await story(made)

    run(told, clock=clock)


def streamed(form: str = "messages", *between: Any, **options: Any) -> Answer:
    """Return a good streamed answer. `between` are delays or failures, one after each event."""
    events: list[Any] = EVENTS[form](**options)
    items: list[Any] = []
    for number, event in enumerate(events):
        items.append(event)
        if number < len(between):
            items.append(between[number])
    return Answer(body=[each for each in items if each is not None])


def paused(form: str, *items: Any, **options: Any) -> Answer:
    """Return a good streamed answer with `items`, delays or failures, in a row behind its first piece of text."""
    events: list[Any] = EVENTS[form](**options)
    first = {"messages": 3, "chat": 2, "responses": 4}[form]
    return Answer(body=[*events[:first], *items, *events[first:]])
