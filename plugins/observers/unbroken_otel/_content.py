"""Convert the messages of a request to the form of the conventions: roles, and parts of a few types.

The schema: docs/gen-ai/gen-ai-input-messages.json of https://github.com/open-telemetry/semantic-conventions-genai.
"""

from typing import Any, Final, cast

import msgspec

from unbroken import Request
from unbroken.error_bodies import as_object, load_json_object

from ._semconv import Names

_TEXTS: Final = {"text", "input_text", "output_text"}


def content(request: Request, names: Names) -> dict[str, str]:
    """Return the attributes that hold the content of `request` as JSON; empty for a body without messages."""
    body = load_json_object(request.content) or {}
    found: dict[str, str] = {}
    messages = _list(body.get("messages", body.get("input")))
    if names.input_messages and messages:
        found[names.input_messages] = _json([_message(message) for message in messages])
    system = _parts(body.get("system", body.get("instructions")))
    if names.system_instructions and system:
        found[names.system_instructions] = _json(system)
    return found


def _message(message: Any) -> dict[str, Any]:
    if isinstance(message, str):
        return {"role": "user", "parts": _parts(message)}
    fields = as_object(message)
    role = str(fields.get("role") or fields.get("type") or "user")
    if role == "tool":
        return {"role": role, "parts": [_tool_response(fields.get("tool_call_id"), fields.get("content"))]}
    calls = [_function_call(as_object(call)) for call in _list(fields.get("tool_calls"))]
    return {"role": role, "parts": [*_parts(fields.get("content")), *calls]}


def _parts(value: Any) -> list[dict[str, Any]]:
    return [_part(part) for part in _list(value)]


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "content": part}
    fields = as_object(part)
    kind = str(fields.get("type", "unknown"))
    if kind in _TEXTS:
        return {"type": "text", "content": fields.get("text")}
    if kind == "thinking":
        return {"type": "reasoning", "content": fields.get("thinking")}
    if kind == "tool_use":
        return _tool_call(fields.get("id"), fields.get("name"), fields.get("input"))
    if kind == "tool_result":
        return _tool_response(fields.get("tool_use_id"), fields.get("content"))
    return {"type": kind}  # images and documents are megabytes, too large for a trace


def _function_call(call: dict[str, Any]) -> dict[str, Any]:
    function = as_object(call.get("function"))
    return _tool_call(call.get("id"), function.get("name"), function.get("arguments"))


def _tool_call(id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": id, "name": name, "arguments": arguments}


def _tool_response(id: Any, content: Any) -> dict[str, Any]:
    response = content if isinstance(content, str) else _parts(content)
    return {"type": "tool_call_response", "id": id, "response": response}


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return cast("list[object]", value)
    return [value] if isinstance(value, str) and value else []


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
