"""The OpenAPI 3.1 description of the routes, for tools: what the gateway itself checks and promises.

A model decides the rest: fields that the gateway only passes on are not listed, and any are allowed.
"""

from collections.abc import Iterable
from typing import Any, Final

from .edge.routes import ROUTES, Route
from .replies import errors
from .replies.answers import status_of
from .replies.errors import Problem
from .values import DialectName

Schema = dict[str, Any]

_ID: Final = {"type": "string", "pattern": r"^[A-Za-z0-9._-]{1,128}$"}
_COUNT: Final = {"type": ["integer", "null"], "minimum": 0}
_MODEL: Final = {"type": ["string", "null"], "minLength": 1, "maxLength": 256}
_STREAM: Final = {"type": ["boolean", "null"], "description": "True answers with server-sent events."}
_EVENT: Final = {name: {"type": "string"} for name in ("event", "data", "id")}
_RESUME: Final = "1 makes the stream resumable, where the settings allow it."
_SUMMARIES: Final = {
    "messages": "Create a message",
    "chat": "Create a chat completion",
    "responses": "Create a response",
    "count_tokens": "Count the tokens of a message",
    "models": "List the models of the user",
    "stream": "Read a resumable stream on from a cursor",
    "ticket": "Get a ticket for an EventSource",
    "live": "Whether the process is alive",
    "openapi": "This description",
    "ready": "Whether the gateway takes requests",
}

# What each kind of route may answer instead, for the statuses of its errors.
_ANY_ROUTE: Final = (
    errors.invalid_request(),
    errors.head_too_large(),
    errors.wrong_method(""),
    errors.unknown_route(),
    errors.internal(),
)
_PRIVATE: Final = (errors.no_credential(), errors.too_many_bad_credentials(1.0), errors.unavailable())
_WITH_BODY: Final = (
    errors.body_timed_out(),
    errors.length_required(),
    errors.body_too_large(),
    errors.wrong_type(),
    errors.user_limit(1.0),
    errors.budget_spent(),
    errors.upstream_409(),
    errors.upstream_error(),
    errors.overloaded(),
    errors.timed_out(),
)
_OF_STREAMS: Final = (errors.unknown_stream(), errors.trimmed_stream(), errors.user_limit(1.0))


def document(version: str = "1") -> Schema:
    """Return the description of all routes but the aliases, which are another path of one of them."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Unbroken gateway", "version": version},
        "security": [{"bearer": []}, {"key": []}],
        "paths": {route.path: _path(route) for route in ROUTES},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": {"AnthropicError": _anthropic_error(), "OpenAIError": _openai_error(), **_bodies()},
            "headers": _headers(),
        },
    }


def _path(route: Route) -> Schema:
    made: Schema = {}
    if "{id}" in route.path:
        made["parameters"] = [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{24}$"},
            }
        ]
    for method in route.methods:
        made[method.lower()] = _operation(route, method)
    return made


def _operation(route: Route, method: str) -> Schema:
    made: Schema = {
        "operationId": f"{method.lower()}_{route.name}",
        "summary": "End a resumable stream and delete it" if method == "DELETE" else _SUMMARIES[route.name],
        "responses": {**_refusals(route, method), **_success(route, method)},
    }
    if route.public:
        made["security"] = []
    if route.takes_body:
        content = {"application/json": {"schema": _schema(route.name)}}
        made["requestBody"] = {"required": True, "content": content}
    parameters = _parameters(route, method)
    if parameters:
        made["parameters"] = parameters
    return made


def _parameters(route: Route, method: str) -> list[Schema]:
    if route.name == "ticket":
        schema = {"type": "string", "format": "uri"}
        return [{"name": "Origin", "in": "header", "required": True, "schema": schema}]
    if route.name == "stream" and method == "GET":
        cursor = {"type": "string", "pattern": r"^[A-Za-z0-9_-]{24}[.]([1-9][0-9]{0,9}|0)$"}
        return [
            {"name": "Last-Event-ID", "in": "header", "schema": cursor},
            {"name": "after", "in": "query", "schema": {"anyOf": [cursor, {"type": "integer", "minimum": 0}]}},
        ]
    if route.form is not None:
        return [{"name": "Unbroken-Resume", "in": "header", "schema": {"type": "string"}, "description": _RESUME}]
    return []


def _success(route: Route, method: str) -> Schema:
    headers = ["X-Request-Id"]
    if method == "DELETE":
        return {"204": {"description": "It has ended.", "headers": _references(headers)}}
    events = {"text/event-stream": {"schema": {"type": "object", "required": ["data"], "properties": _EVENT}}}
    if route.name == "stream":
        made = {"200": {"description": "The events after the cursor.", "content": events}}
        return {**made, "204": {"description": "The cursor is at the end of the stream."}}
    if route.name in ("live", "ready"):
        content = {} if method == "HEAD" else _json({"type": "object", "required": ["status"]})
        states = {"200": "It is."} if route.name == "live" else {"200": "It is.", "503": "It is not."}
        return {status: {"description": text, "content": content} for status, text in states.items()}
    content = {} if method == "HEAD" else _json({"type": "object"})
    if route.form is not None:
        content |= events
        headers += ["Unbroken-Stream", "Unbroken-Stream-TTL"]
    return {"200": {"description": "The answer.", "content": content, "headers": _references(headers)}}


def _refusals(route: Route, method: str) -> Schema:
    problems = [*_ANY_ROUTE]
    if not route.public:
        problems += _PRIVATE
    if route.takes_body:
        problems += _WITH_BODY
    if route.name in ("stream", "ticket"):
        problems += _OF_STREAMS
    dialects: tuple[DialectName, ...] = ("anthropic", "openai") if route.dialect is None else (route.dialect,)
    kinds = [_schema(f"{'Anthropic' if each == 'anthropic' else 'OpenAI'}Error") for each in dialects]
    content = {} if method == "HEAD" else _json(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})
    by_status = _texts(problems, dialects)
    headers = _references(["X-Request-Id", "X-Should-Retry", "Retry-After"])
    return {status: {"description": text, "content": content, "headers": headers} for status, text in by_status.items()}


def _texts(problems: Iterable[Problem], dialects: Iterable[DialectName]) -> dict[str, str]:
    """Return the messages of `problems` by their status."""
    found: dict[str, dict[str, None]] = {}
    for problem in problems:
        for dialect in dialects:
            found.setdefault(str(status_of(problem, dialect)), {})[problem.message] = None
    return {status: " ".join(texts) for status, texts in sorted(found.items())}


def _bodies() -> Schema:
    common: Schema = {"model": _MODEL, "stream": _STREAM}
    fields: dict[str, Schema] = {
        "messages": {**common, "max_tokens": _COUNT},
        "chat": {
            **common,
            "max_tokens": _COUNT,
            "max_completion_tokens": _COUNT,
            "n": {"type": ["integer", "null"], "minimum": 1},
            "stream_options": {"type": ["object", "null"], "properties": {"include_usage": {}}},
        },
        "responses": {**common, "max_output_tokens": _COUNT},
        "count_tokens": {"model": _MODEL},
    }
    return {name: {"type": "object", "properties": properties} for name, properties in fields.items()}


def _anthropic_error() -> Schema:
    inner = {"type": "object", "required": ["type", "message"], "properties": _strings("type", "message")}
    return {
        "type": "object",
        "required": ["type", "error", "request_id"],
        "properties": {"type": {"const": "error"}, "error": inner, "request_id": _ID},
    }


def _openai_error() -> Schema:
    properties = {**_strings("type", "message", "code"), "param": {"type": ["string", "null"]}}
    inner = {"type": "object", "required": ["type", "message", "code", "param"], "properties": properties}
    return {"type": "object", "required": ["error"], "properties": {"error": inner}}


def _headers() -> Schema:
    return {
        "X-Request-Id": {"required": True, "schema": _ID},
        "X-Should-Retry": {"schema": {"enum": ["true", "false"]}},
        "Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}},
        "Unbroken-Stream": {"schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{24}$"}},
        "Unbroken-Stream-TTL": {"schema": {"type": "string", "pattern": "^[0-9]+$"}},
    }


def _strings(*names: str) -> Schema:
    return {name: {"type": "string"} for name in names}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _schema(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _references(headers: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
