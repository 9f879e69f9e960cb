"""What a transport costs per event and per request: ``python tests/benchmarks/bench_wire.py [seconds]``.

A replay server in a process of its own sends bytes that were encoded beforehand. The contestants take turns, round by
round, in this process; the figures are medians of CPU time of this process, and ratios to raw httpx in the same run.
"""

import asyncio
import multiprocessing
import socket
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

import unbroken
from unbroken._wire import AsyncWireTransport, WireTransport
from unbroken.transport import Connections
from unbroken_httpx import AsyncHTTPXTransport, HTTPXTransport

ROUNDS = 9
LONG = 6_400
SHORT = 10
REQUESTS = 150

DELTA = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some words"}}\n\n'
)
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def answer(events: int, per_write: int) -> list[bytes]:
    """Return the writes of an answer: each event is a chunk of its own, `per_write` of them are sent together."""
    chunks = [chunk(DELTA)] * (events - 1) + [chunk(STOP)]
    writes = [b"".join(chunks[start : start + per_write]) for start in range(0, events, per_write)]
    writes[0] = HEAD + writes[0]
    writes[-1] += b"0\r\n\r\n"
    return writes


def replay(client: socket.socket, answers: dict[bytes, list[bytes]]) -> None:
    """Answer each ``POST /<events>/<per write>`` of a connection."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    while received := client.recv(65536):
        data += received
        head, end, body = data.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            path = data.split(b" ", 2)[1]
            data = b""
            if path not in answers:
                events, per_write = path.strip(b"/").split(b"/")
                answers[path] = answer(int(events), int(per_write))
            for piece in answers[path]:
                client.sendall(piece)


def serve(ready: Any) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ready.put(listener.getsockname()[1])
    answers: dict[bytes, list[bytes]] = {}
    while True:
        threading.Thread(target=replay, args=(listener.accept()[0], answers), daemon=True).start()


Pull = Callable[[str], int]
APull = Callable[[str], Awaitable[int]]


def httpx_raw() -> tuple[Pull, Callable[[], None]]:
    client = httpx.Client(verify=False, trust_env=False)

    def pull(url: str) -> int:
        with client.stream("POST", url, json={"stream": True}) as response:
            return sum(len(piece) for piece in response.iter_raw())

    return pull, client.close


def ours(transport: Any) -> tuple[Pull, Callable[[], None]]:
    client = unbroken.Client([], dialect="anthropic", transport=transport)

    def pull(url: str) -> int:
        with client.stream("POST", url, json={"stream": True}) as stream:
            count = 0
            for _ in stream:
                count += 1
            return count

    return pull, client.close


def async_httpx_raw() -> tuple[APull, Callable[[], Awaitable[None]]]:
    client = httpx.AsyncClient(verify=False, trust_env=False)

    async def pull(url: str) -> int:
        async with client.stream("POST", url, json={"stream": True}) as response:
            size = 0
            async for piece in response.aiter_raw():
                size += len(piece)
            return size

    return pull, client.aclose


def async_ours(transport: Any) -> tuple[APull, Callable[[], Awaitable[None]]]:
    client = unbroken.AsyncClient([], dialect="anthropic", transport=transport)

    async def pull(url: str) -> int:
        async with client.stream("POST", url, json={"stream": True}) as stream:
            count = 0
            async for _ in stream:
                count += 1
            return count

    return pull, client.aclose


SHAPES = [
    ("event, 1 per write", f"/{LONG}/1", 1, LONG),
    ("event, 64 per write", f"/{LONG}/64", 4, 4 * LONG),
    ("request of 10 events", f"/{SHORT}/{SHORT}", REQUESTS, REQUESTS),
]
NAMES = ("httpx raw", "unbroken_httpx", "wire")
EXPECTED = {"httpx raw": lambda events: len(DELTA) * (events - 1) + len(STOP), "unbroken_httpx": int, "wire": int}


def check(name: str, url: str, got: int) -> None:
    """Every contestant proves that it got everything."""
    assert got == EXPECTED[name](int(url.split("/")[-2])), (name, url, got)


def run_sync(base: str) -> dict[tuple[str, str], list[float]]:
    connections = Connections(verify=False)
    made = [httpx_raw(), ours(HTTPXTransport(connections)), ours(WireTransport(connections))]
    seen: dict[tuple[str, str], list[float]] = {}
    for turn in range(ROUNDS + 1):
        for shape, path, times, per in SHAPES:
            for name, (pull, _) in zip(NAMES, made, strict=True):
                began = time.process_time()
                for _ in range(times):
                    got = pull(base + path)
                spent = (time.process_time() - began) / per * 1e6
                check(name, base + path, got)
                if turn:
                    seen.setdefault((shape, name), []).append(spent)
    for _, close in made:
        close()
    return seen


async def run_async(base: str) -> dict[tuple[str, str], list[float]]:
    connections = Connections(verify=False)
    made = [
        async_httpx_raw(),
        async_ours(AsyncHTTPXTransport(connections)),
        async_ours(AsyncWireTransport(connections)),
    ]
    seen: dict[tuple[str, str], list[float]] = {}
    for turn in range(ROUNDS + 1):
        for shape, path, times, per in SHAPES:
            for name, (pull, _) in zip(NAMES, made, strict=True):
                began = time.process_time()
                for _ in range(times):
                    got = await pull(base + path)
                spent = (time.process_time() - began) / per * 1e6
                check(name, base + path, got)
                if turn:
                    seen.setdefault((shape, name), []).append(spent)
    for _, close in made:
        await close()
    return seen


def show(title: str, seen: dict[tuple[str, str], list[float]]) -> None:
    print(f"\n{title:28}" + "".join(f"{name:>20}" for name in NAMES))
    for shape, *_ in SHAPES:
        medians = [statistics.median(seen[shape, name]) for name in NAMES]
        cells = "".join(f"{value:>11.2f} µs ({value / medians[0]:.2f})" for value in medians)
        print(f"{shape:28}{cells}")


def main() -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    server = context.Process(target=serve, args=(ready,), daemon=True)
    server.start()
    base = f"http://127.0.0.1:{ready.get()}"
    try:
        if "async" not in sys.argv:
            show("sync", run_sync(base))
        if "sync" not in sys.argv:
            show("asyncio", asyncio.run(run_async(base)))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
