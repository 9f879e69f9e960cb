"""An ASGI application that answers as the Messages API does; run by the servers of test_real_servers.py.

The path says how. ``x-connection`` tells the connections of the peer apart.
"""

import asyncio
import json

START = {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "content": []}}
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
ENDING = (
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
)
TEXTS = ("one ", "two — ", "x" * 300_000, " three", *(f" {number}" for number in range(200)))


def event(value):
    return f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode()


def delta(text):
    return event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await answer(scope, send)


async def answer(scope, send):
    path = scope["path"]
    whole = [event(START), event(OPEN), *map(delta, TEXTS), *map(event, ENDING)]
    headers = [(b"content-type", b"text/event-stream"), (b"x-connection", str(scope["client"][1]).encode())]
    status = 200
    if path in ("/slow", "/silent"):
        await asyncio.sleep(0.5 if path == "/slow" else 3600)
    if path == "/refused":
        status, headers[0] = 429, (b"content-type", b"application/json")
        whole = [b'{"type":"error","error":{"type":"rate_limit_error","message":"too fast"}}']
    if path in ("/length", "/refused"):
        headers.append((b"content-length", str(sum(map(len, whole))).encode()))
    if path == "/close":
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    pieces = whole[:4] if path in ("/polite", "/rude", "/endless") else whole
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if len(pieces) == 4:
            await asyncio.sleep(0.01)
    if path == "/rude":
        raise RuntimeError("the application failed in the middle of its answer")
    if path == "/endless":
        await asyncio.sleep(3600)
    await send({"type": "http.response.body", "body": b"", "more_body": False})
