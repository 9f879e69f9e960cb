"""The messages of MCP, and requests with them."""

import json
from typing import Any

from attrs import evolve, field, frozen

from unbroken import Headers, Request, Response
from unbroken.testing import Answer
from unbroken_mcp import MCP

URL = "https://tools.example.org/mcp"
BOTH = "application/json, text/event-stream"
LEGACY, MODERN = "2025-11-25", "2026-07-28"


def request(method: str, id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def notification(method: str = "notifications/progress", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def result(id: Any = 1, **fields: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": fields}


def failed(code: Any = -32603, message: Any = "broken", id: Any = 1, **fields: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, **fields}}


CALL = request("tools/call", name="add", arguments={})
LIST = request("tools/list")
SAID = {"content": [{"type": "text", "text": "3"}], "isError": False}


def post(content: Any, **headers: str) -> Request:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    fields = {"Accept": BOTH, **{name.replace("_", "-"): value for name, value in headers.items()}}
    made = Request(method="POST", url=URL, headers=Headers.validated(fields), content=body)
    return evolve(made, repeatable=MCP().repeatable(made))


def get(accept: str = "text/event-stream") -> Request:
    return Request(method="GET", url=URL, headers=Headers.validated({"Accept": accept}))


@frozen(kw_only=True)
class View:
    """A call as far as a reader sees it."""

    request: Request
    current: Request = field()
    response: Response | None = None
    last_event_id: str = ""
    id: str = "req_1"

    @current.default
    def _same(self) -> Request:
        return self.request


def events(*messages: Any, first: int | None = None) -> bytes:
    """Return a stream of `messages`; with `first`, the first of their ids. An empty text is a priming event."""
    said = []
    for number, message in enumerate(messages, first or 0):
        id = b"" if first is None else b"id: %d\n" % number
        data = message.encode() if isinstance(message, str) else json.dumps(message).encode()
        said.append(b"%bdata: %b\n\n" % (id, data))
    return b"".join(said)


def stream(*messages: Any, first: int | None = None, **fields: str) -> Answer:
    return Answer(headers={"content-type": "text/event-stream", **fields}, body=events(*messages, first=first))


def bare(content: Any, status: int = 200) -> Answer:
    return Answer(status=status, headers={"content-type": "application/json"}, body=json.dumps(content).encode())
