"""The Model Context Protocol over Streamable HTTP: JSON-RPC, answered as server-sent events or as JSON.

According to the specification in its revisions up to 2025-11-25, which have sessions, and 2026-07-28, which has none.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs

from attrs import evolve

from ._conversation import Earlier, Exchange, Speech, pieces_of
from ._fault import Fault
from ._fields import compact
from ._formats import Format, plain_sse
from ._mcp_call import RESUME, SESSION, Call
from ._mcp_state import PATH, is_open, result_of, resumed
from ._mcp_tools import is_known, response
from ._requests import ReceivedRequest
from ._voices import Foreign, meant

ERRORS: Final = {
    400: (-32600, "Invalid Request"),
    401: (-32000, "Unauthorized"),
    402: (-32000, "Payment required"),
    403: (-32000, "Forbidden"),
    404: (-32601, "Method not found"),
    408: (-32000, "Request timed out"),
    409: (-32000, "Conflict"),
    413: (-32600, "Request too large"),
    429: (-32000, "Too many requests"),
    500: (-32603, "Internal error"),
    503: (-32603, "Service unavailable"),
    504: (-32603, "Timed out"),
    529: (-32603, "Server overloaded"),
}
"""Code and message of the JSON-RPC error, by status."""
_FORMAT: Final = plain_sse(b'event: message\ndata: {"jsonrpc": "2.0", \n\n')
_RETRY: Final = 100
"""Milliseconds after which a client shall resume."""


class MCP(Foreign):
    """``POST``, ``GET`` and ``DELETE`` of ``/mcp``."""

    path: ClassVar[str] = PATH
    model: ClassVar[str] = ""
    id_prefix: ClassVar[str] = "session-"
    request_id_prefix: ClassVar[str] = ""
    stop_reason: ClassVar[str] = "complete"
    tools_reason: ClassVar[str] = "complete"

    def takes(self, request: ReceivedRequest) -> bool:
        """Return whether `request` calls a tool or resumes a stream.

        What else a client sends, and in which order, is its own business, so a script could not count it.
        """
        if request.method == "POST":
            return Call(request).method == "tools/call"
        return request.method == "GET" and RESUME in request.headers

    def fitting(self, request: ReceivedRequest, fault: Fault, earlier: Earlier) -> Fault:
        """Return `fault`, or what the protocol answers by an HTTP status."""
        call = Call(request)
        session = request.headers.get(SESSION)
        if session is not None and not call.modern and not is_open(session, earlier):
            return evolve(fault, status=404, message="Session not found", error="-32001")
        if request.method == "POST":
            return _fitting_post(call, fault)
        if call.modern or request.method not in {"GET", "DELETE"}:
            return evolve(fault, status=405, message="Method not allowed", headers=(*fault.headers, ("Allow", "POST")))
        if request.method == "DELETE":
            return evolve(fault, status=204)
        return _fitting_get(request, fault, earlier)

    def model_of(self, request: ReceivedRequest) -> str:
        """Return the tool that is called."""
        return Call(request).tool or self.model

    def result_of(self, request: ReceivedRequest, fault: Fault, text: str, earlier: Earlier) -> str:
        """Return what the tool says."""
        return result_of(request, fault, text, earlier)

    def format_of(self, request: ReceivedRequest) -> Format:
        """Return the format of server-sent events without pings."""
        return _FORMAT

    def headers(self, exchange: Exchange) -> list[tuple[str, str]]:
        """Return ``Date``, and with the answer to ``initialize`` the id of the session."""
        lines = super().headers(exchange)
        if exchange.fault.status == 200 and Call(exchange.request).method == "initialize":
            lines.append(("Mcp-Session-Id", exchange.reply.id))
        return lines

    def stream(self, exchange: Exchange) -> tuple[bytes, ...] | None:
        """Return the priming event, what is said while the tool runs, and the response.

        None if the client takes only JSON, or the query is ``stream=false``.
        """
        request = exchange.request
        if request.method == "GET":
            return _listened(exchange)
        silent = parse_qs(request.query).get("stream") == ["false"]
        if silent or "text/event-stream" not in request.headers.get("accept", ""):
            return None
        return _events(request, exchange.reply)

    def message(self, exchange: Exchange) -> bytes:
        """Return the response."""
        return compact(response(Call(exchange.request), exchange.reply))

    def error_body(self, exchange: Exchange, status: int) -> bytes:
        """Return a JSON-RPC error. The name of an error that is a number is its code, any other is in its data."""
        fault = exchange.fault
        known, own = meant(fault, status)
        code, words = ERRORS[known]
        numbered = own is not None and own.removeprefix("-").isdecimal() and len(own) < 10
        error: dict[str, Any] = {
            "code": int(own) if own is not None and numbered else code,
            "message": fault.message or words,
        }
        if fault.error is not None and not numbered:
            error["data"] = {"type": fault.error}
        return compact({"jsonrpc": "2.0", "id": Call(_original(exchange)[0]).id, "error": error})

    def error_event(self, exchange: Exchange, sent: Sequence[bytes]) -> bytes:
        """Return the event with the JSON-RPC error that takes the place of the response."""
        request, reply = _original(exchange)
        *_, id = _ids(request, len([*_said(Call(request), reply)]) + 2)
        return _event(id, self.error_body(exchange, 500))


def _fitting_post(call: Call, fault: Fault) -> Fault:
    if not call.body:
        return evolve(fault, status=400, message="Parse error", error="-32700")
    if not call.is_request:
        return evolve(fault, status=202 if call.is_one_way else 400)
    if call.modern and not is_known(call.method):
        return evolve(fault, status=404)
    return fault


def _fitting_get(request: ReceivedRequest, fault: Fault, earlier: Earlier) -> Fault:
    if RESUME in request.headers and resumed(request, earlier) is None:
        return evolve(fault, status=400, message="Unknown event", error="-32600")
    listens = _resumes(request, earlier) is None and fault.then == "continue"
    return evolve(fault, then="stall") if listens else fault


def _resumes(request: ReceivedRequest, earlier: Earlier) -> tuple[ReceivedRequest, Speech, int] | None:
    """Return what `request` resumes, but for a stream that says nothing."""
    found = resumed(request, earlier)
    return found if found is not None and found[0].method == "POST" else None


def _original(exchange: Exchange) -> tuple[ReceivedRequest, Speech]:
    """Return the request that is answered and its reply, which may be those of a stream that is resumed."""
    found = _resumes(exchange.request, exchange.earlier) if exchange.request.method == "GET" else None
    return (found[0], found[1]) if found else (exchange.request, exchange.reply)


# Streams.


def _listened(exchange: Exchange) -> tuple[bytes, ...]:
    """Return the rest of a stream, or one that says nothing."""
    found = _resumes(exchange.request, exchange.earlier)
    if found is None:
        return (_priming(exchange.request) or _FORMAT.comment, b"", b"")
    request, reply, count = found
    sent = [event for event in _events(request, reply) if event]
    return (b"", b"", b"", *sent[count:])


def _events(request: ReceivedRequest, reply: Speech) -> tuple[bytes, ...]:
    call = Call(request)
    said = [*_said(call, reply)]
    _, *ids = _ids(request, len(said) + 2)
    bodies = (*said, response(call, reply))
    events = (_event(id, compact(body)) if body else b"" for id, body in zip(ids, bodies, strict=True))
    return (_priming(request), b"", b"", *events)


def _said(call: Call, reply: Speech) -> Iterator[dict[str, Any] | None]:
    """Yield a notification for each word while a tool runs; nothing for a client that wants none."""
    words = pieces_of(reply.text) if call.tool else []
    for number, word in enumerate(words, 1):
        if call.token is not None:
            progress = {"progressToken": call.token, "progress": number, "total": len(words), "message": word}
            yield {"jsonrpc": "2.0", "method": "notifications/progress", "params": progress}
        elif call.logs:
            message = {"level": "info", "logger": call.tool, "data": word}
            yield {"jsonrpc": "2.0", "method": "notifications/message", "params": message}
        else:
            yield None


def _ids(request: ReceivedRequest, count: int) -> list[str | None]:
    resumable = Call(request).resumable
    return [f"{request.number}-{index}" if resumable else None for index in range(count)]


def _priming(request: ReceivedRequest) -> bytes:
    """Return the event that tells an id before there is anything to say; nothing in a revision that has none."""
    return b"retry: %d\nid: %d-0\ndata: \n\n" % (_RETRY, request.number) if Call(request).resumable else b""


def _event(id: str | None, data: bytes) -> bytes:
    return (b"" if id is None else b"id: %b\n" % id.encode()) + b"event: message\ndata: %b\n\n" % data
