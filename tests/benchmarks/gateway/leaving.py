"""Measure how soon the upstream is closed after a client has left, in six phases on every route.

Run it as ``python -m tests.benchmarks.gateway.leaving [TRIES]``. It prints a table of milliseconds and judges nothing.
The client, a gateway of its own process and the upstream share this machine, so each figure holds two hops of loopback
and what else the machine does.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tests.gateway_process import serving

TRIES: Final = 100
SETTINGS: Final = """
[gateway]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
[gateway.audit]
path = "{place}/audit.db"
[gateway.plans.development]
models = ["*"]
"""
UPSTREAM: Final = """
[gateway.upstreams.{name}]
dialect = "{dialect}"
url = "{url}"
key = "upstream-secret"
plugins = ["timeout", {plugin}]
[gateway.upstreams.{name}.policies]
{policies}
[gateway.models.{name}]
upstream = "{name}"
model = "{name}"
"""
POLICIES: Final = {
    "plain": ("", ""),
    "limited": ('"rate-limit"', "rate-limit = { requests = 1, per = 86400.0, burst = 1, max_wait = 86400.0 }"),
    "retried": ('"retry"', "retry = { initial_delay = 20.0, max_delay = 20.0 }"),
}
ROUTES: Final = {
    "/v1/messages": "anthropic",
    "/v1/chat/completions": "openai",
    "/v1/responses": "openai",
    "/v1/messages/count_tokens": "anthropic",
}
PHASES: Final = ("body", "limiter wait", "retry sleep", "before headers", "before the first event", "mid-stream")
REFUSAL: Final = b"HTTP/1.1 500 X\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
EVENTS: Final = {
    "/v1/messages": b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
    b'"role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text",'
    b'"text":""}}\n\nevent: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
    b'{"type":"text_delta","text":"hi"}}\n\n',
    "/v1/chat/completions": b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"hi"},"finish_reason":null}]}\n\n',
    "/v1/responses": b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":'
    b'{"id":"r","object":"response","created_at":1,"model":"m","output":[],"status":"in_progress"}}\n\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":1,'
    b'"item_id":"i","output_index":0,"content_index":0,"delta":"hi"}\n\n',
}


class Upstream:
    """Plays a part of an answer, then waits for the gateway to close the connection and notes when."""

    def __init__(self) -> None:
        self.phase = ""
        self.asked = asyncio.Event()
        self.closed_at: asyncio.Future[float]
        self.prepare("")

    def prepare(self, phase: str) -> None:
        self.phase, self.asked = phase, asyncio.Event()
        self.closed_at = asyncio.get_running_loop().create_future()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            asked = (await reader.readuntil(b"\r\n\r\n")).decode()
            await reader.readexactly(int(asked.lower().partition("content-length: ")[2].partition("\r\n")[0]))
            path = asked.split(" ")[1]
            if self.phase == "retry sleep":
                writer.write(REFUSAL)
                self.asked.set()
                writer.close()
                return
            elif self.phase in ("before the first event", "mid-stream"):
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                events = EVENTS[path] if self.phase == "mid-stream" else b": hello\n\n"
                writer.write(b"%x\r\n%b\r\n" % (len(events), events))
            self.asked.set()
            await reader.read()
        if not self.closed_at.done():
            self.closed_at.set_result(time.perf_counter())
        writer.close()


async def leave_once(url: str, token: str, upstream: Upstream, phase: str, route: str) -> float:
    """Return the seconds from a client's leaving to the end of what it caused."""
    upstream.prepare(phase)
    kind = {"limiter wait": "limited", "retry sleep": "retried"}.get(phase, "plain")
    more: Any = {"input": "hi"} if route.endswith("responses") else {"messages": [{"role": "user", "content": "hi"}]}
    stream = {} if "count" in route else {"stream": True, "max_tokens" if "messages" in route else "n": 1}
    body = json.dumps({"model": f"{kind}-{ROUTES[route]}", **more, **stream}).encode()
    head = f"POST {route} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    host, _, port = url.rpartition("//")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + (body[:-1] if phase == "body" else body))
    if phase in ("body", "limiter wait"):
        await asyncio.sleep(0.03)
    else:
        await upstream.asked.wait()
        await asyncio.sleep(0.03)
    if phase == "mid-stream":
        await reader.readuntil(b"hi")
    left_at = time.perf_counter()
    writer.transport.abort()
    if phase in ("body", "limiter wait", "retry sleep"):
        return await idle_again(url, left_at)
    return await upstream.closed_at - left_at


async def idle_again(url: str, left_at: float) -> float:
    """Return the seconds after which the gateway has nothing under way: where no upstream is open to be closed."""
    host, _, port = url.rpartition("//")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    return time.perf_counter() - left_at


def percentile(times: list[float], rank: int) -> float:
    return sorted(times)[-(-len(times) * rank // 100) - 1] * 1000


def configuration(url: str, place: Path) -> str:
    tables = [SETTINGS.format(place=place)]
    for kind, (plugin, policies) in POLICIES.items():
        for dialect in ("anthropic", "openai"):
            name = f"{kind}-{dialect}"
            tables.append(UPSTREAM.format(name=name, dialect=dialect, url=url, plugin=plugin, policies=policies))
    return "".join(tables)


async def main(tries: int) -> None:
    """Print the table."""
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        file = place / "gateway.toml"
        file.write_text(configuration(f"http://127.0.0.1:{port}", place), "utf-8")
        with serving("--config", str(file), place=place) as (told, _):
            print(f"{'route':28}{'phase':26}{'p50 ms':>8}{'p99 ms':>8}")
            for route in ROUTES:
                for phase in PHASES:
                    if "count" in route and phase in ("before the first event", "mid-stream"):
                        continue
                    times = [await leave_once(told["url"], told["token"], upstream, phase, route) for _ in range(tries)]
                    print(f"{route:28}{phase:26}{percentile(times, 50):8.2f}{percentile(times, 99):8.2f}", flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else TRIES))
