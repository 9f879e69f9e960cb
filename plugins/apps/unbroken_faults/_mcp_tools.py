"""The methods and tools of the MCP server, and the results of both."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from ._conversation import Speech
from ._mcp_call import HANDSHAKE, MODERN, Call

_NUMBERS: Final = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
_TEXT: Final = {"type": "object", "properties": {"text": {"type": "string"}}}
TOOLS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "echo", "description": "Say a text, or one of its own.", "inputSchema": _TEXT},
    {"name": "add", "description": "Add two numbers.", "inputSchema": {**_NUMBERS, "required": ["a", "b"]}},
    {"name": "count", "description": "Say how often it was called.", "inputSchema": {"type": "object"}},
)
_NO_SUM: Final = "'a' and 'b' must be numbers that have a sum"
_SERVER: Final[dict[str, Any]] = {
    "capabilities": {"tools": {}, "logging": {}},
    "serverInfo": {"name": "unbroken", "version": "0"},
}
_UNKNOWN_METHOD: Final = (-32601, "Method not found")
_UNKNOWN_TOOL: Final = (-32602, "Unknown tool")

_Tool: TypeAlias = Callable[[Mapping[str, Any], str, int], str]
"""From arguments, the text of the reply and the number of calls until now."""


def run(call: Call, text: str, calls: int) -> str:
    """Return what the tool of `call` says; empty if there is no such tool.

    `text` is that of the reply, `calls` how often the tool ran before.
    """
    tool = _TOOLS.get(call.tool or "")
    return "" if tool is None else tool(call.arguments, text, calls)


def is_known(method: str | None) -> bool:
    """Return whether the server has `method`."""
    return method in _METHODS


def response(call: Call, reply: Speech) -> dict[str, Any]:
    """Return the JSON-RPC response: a result, or the error of a method or tool that is not known."""
    method = _METHODS.get(call.method or "", _unknown)
    return {"jsonrpc": "2.0", "id": call.id, **method(call, reply)}


# Tools.


def _echo(arguments: Mapping[str, Any], text: str, calls: int) -> str:
    said = arguments.get("text")
    return said if isinstance(said, str) else text


def _add(arguments: Mapping[str, Any], text: str, calls: int) -> str:
    a, b = arguments.get("a"), arguments.get("b")
    if not (isinstance(a, int | float) and isinstance(b, int | float)):
        return _NO_SUM
    try:
        return repr(a + b)
    except (OverflowError, ValueError):  # an integer too large for a float, or too long to be written
        return _NO_SUM


_TOOLS: Final[dict[str, _Tool]] = {"echo": _echo, "add": _add, "count": lambda arguments, text, calls: str(calls + 1)}


# Methods.


def _done(call: Call, **result: Any) -> dict[str, Any]:
    return {"result": {"resultType": "complete", **result} if call.modern else result}


def _listed(call: Call, **result: Any) -> dict[str, Any]:
    return _done(call, **result, **({"ttlMs": 0, "cacheScope": "private"} if call.modern else {}))


def _failed(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _unknown(call: Call, reply: Speech) -> dict[str, Any]:
    return _failed(*_UNKNOWN_METHOD)


def _initialized(call: Call, reply: Speech) -> dict[str, Any]:
    version = call.version if call.version in HANDSHAKE else HANDSHAKE[-1]
    return _done(call, protocolVersion=version, **_SERVER)


def _discovered(call: Call, reply: Speech) -> dict[str, Any]:
    return _listed(call, supportedVersions=[*HANDSHAKE, *MODERN], **_SERVER) if call.modern else _unknown(call, reply)


def _called(call: Call, reply: Speech) -> dict[str, Any]:
    if call.tool not in _TOOLS:
        return _failed(*_UNKNOWN_TOOL)
    content = [{"type": "text", "text": reply.result}]
    return _done(call, content=content, isError=reply.result == _NO_SUM)


_METHODS: Final[dict[str, Callable[[Call, Speech], dict[str, Any]]]] = {
    "initialize": _initialized,
    "server/discover": _discovered,
    "ping": lambda call, reply: _done(call),
    "tools/list": lambda call, reply: _listed(call, tools=list(TOOLS)),
    "tools/call": _called,
}
