"""A small MCP server on a loopback socket that loses its streams as it is told."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import define, field

TOOL = {"name": "add", "inputSchema": {"type": "object"}}
SESSION = "the-session"


@define(eq=False)
class Served:
    """What the server is to do, and what it saw."""

    cuts: int = 0
    """How many of its streams, of calls and of resumptions, end before anything but the priming event."""
    rude: bool = False
    """Whether they end within the chunked body, so that HTTP itself tells the cut."""
    stateless: bool = False
    """Whether the server is of revision 2026-07-28."""
    error: dict[str, Any] | None = None
    """The JSON-RPC error in place of the result of a tool."""
    status: int = 200
    """The HTTP status of the answer to a call of a tool."""
    bare: bool = False
    """Whether a call of a tool is answered with JSON."""
    cut_json: bool = False
    """Whether that JSON is cut."""
    url: str = ""
    requests: list[tuple[str, str]] = field(factory=list)
    """The HTTP method and that of JSON-RPC, or the id of the event behind which to resume."""
    answers: list[Any] = field(factory=list)
    """What the answers to calls of tools were made of: their requests."""

    def count(self, method: str) -> int:
        return sum(method in seen for seen in self.requests)

    @property
    def relevant(self) -> list[tuple[str, str]]:
        """The requests for the tool, and those that go on with its stream."""
        return [seen for seen in self.requests if seen[1] == "tools/call" or (seen[0] == "GET" and seen[1])]


@contextlib.contextmanager
def served(**options: Any) -> Iterator[Served]:
    state = Served(**options)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    state.url = f"http://127.0.0.1:{server.server_address[1]}/mcp"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Served

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method = message.get("method", "")
        self.state.requests.append(("POST", method))
        if "id" not in message:
            self._answer(202)
        elif method == "tools/call":
            self._call(message)
        else:
            self._json(message, self._known(method))

    def do_GET(self) -> None:
        behind = self.headers.get("last-event-id", "")
        self.state.requests.append(("GET", behind))
        if not behind:
            self._answer(405)
        else:
            self._stream(self.state.answers[-1], int(behind))

    def do_DELETE(self) -> None:
        self.state.requests.append(("DELETE", ""))
        self._answer(204)

    def _known(self, method: str) -> dict[str, Any]:
        info = {"name": "test", "version": "1"}
        capabilities: dict[str, Any] = {"tools": {}}
        cached = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        if method == "server/discover" and self.state.stateless:
            return {"supportedVersions": ["2026-07-28"], "capabilities": capabilities, "serverInfo": info, **cached}
        if method == "initialize":
            return {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info}
        return {"tools": [TOOL], **cached} if method == "tools/list" else {}

    def _json(self, message: dict[str, Any], result: dict[str, Any]) -> None:
        told = {"result": result} if result else {"error": {"code": -32601, "message": "Method not found"}}
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], **told}).encode()
        extra = {"mcp-session-id": SESSION} if message["method"] == "initialize" else {}
        self._answer(200 if result else 404, body, **extra)

    def _call(self, message: dict[str, Any]) -> None:
        state = self.state
        state.answers.append(message)
        if state.status != 200:
            self._answer(state.status, b'{"detail": "no"}')
        elif state.bare:
            self._answer(200, self._result(message), length=9999 if state.cut_json else None)
        else:
            self._stream(message, -1)

    def _result(self, message: dict[str, Any]) -> bytes:
        state = self.state
        result = {"content": [{"type": "text", "text": "3"}], "resultType": "complete"}
        told = {"result": result} if state.error is None else {"error": state.error}
        return json.dumps({"jsonrpc": "2.0", "id": message["id"], **told}).encode()

    def _stream(self, message: dict[str, Any], behind: int) -> None:
        """Send the priming event and the response, each behind the event with the id `behind`."""
        state, number = self.state, behind + 1
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        if not state.stateless:
            self._chunk(b"retry: 20\nid: %d\ndata: \n\n" % number)
        cut, state.cuts = state.cuts > 0, max(0, state.cuts - 1)
        if not cut:
            self._chunk(b"id: %d\nevent: message\ndata: %b\n\n" % (number + 1, self._result(message)))
        elif not state.rude:
            self._chunk(b": half of a comm")
        if not (cut and state.rude):
            self._chunk(b"")
        self.close_connection = self.close_connection or cut

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _answer(self, status: int, body: bytes = b"", length: int | None = None, **extra: str) -> None:
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        if status != 204:
            self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or length is not None
