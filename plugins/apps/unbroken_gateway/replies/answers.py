"""Write a problem as the answer to a request, or as the last event of a stream, in the dialect of the client."""

import math
from typing import Any, Final

import msgspec

from ..values import DialectName
from . import errors
from .errors import Problem
from .frames import Form

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers, body."""

_OVERLOADED: Final = 529
# ``error.type`` of the OpenAI body, by status; others by their class.
_TYPES: Final = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
    503: "service_unavailable_error",
    504: "timeout_error",
}
_DIALECTS: Final[dict[Form, DialectName]] = {"messages": "anthropic", "chat": "openai", "responses": "openai"}


def status_of(problem: Problem, dialect: DialectName) -> int:
    """Return the status of the answer. OpenAI's clients do not know 529."""
    return 503 if dialect == "openai" and problem.status == _OVERLOADED else problem.status


def render(problem: Problem, dialect: DialectName, request_id: str, *, shared: bool = False) -> Answer:
    """Return the answer to a request of which nothing has been sent.

    `shared` is that of a route of both dialects, of which a header decides the dialect. `request_id` has the characters
    of a header.
    """
    status = status_of(problem, dialect)
    body = msgspec.json.encode(_body(problem, dialect, request_id))
    fields = [
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
        *request_ids(dialect, request_id),
        *_hints(problem),
        *problem.headers,
    ]
    if shared:
        fields.append(("vary", "anthropic-version"))
    return status, [(name.encode(), value.encode()) for name, value in fields], body


def request_ids(dialect: DialectName, request_id: str) -> list[tuple[str, str]]:
    """Return the headers with the request id in which the SDKs of `dialect` look for it."""
    names = ["x-request-id", "request-id"] if dialect == "anthropic" else ["x-request-id"]
    return [(name, request_id) for name in names]


def in_band(problem: Problem, form: Form, request_id: str, *, sequence: int = 0) -> bytes:
    """Return the last frame of a stream that failed after its 200: an error, and no terminator after it.

    `sequence` is the ``sequence_number`` of an event of the Responses API.
    """
    body = _body(problem, _DIALECTS[form], request_id)
    if form == "chat":
        return b"data: %b\n\n" % msgspec.json.encode(body)
    if form == "responses":
        body = _responses_event(problem, body, sequence)
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode(body)


def last_frame(form: Form, why: str) -> bytes:
    """Return the last frame of a resumable stream that nobody finishes any more; `why` is one of `cursors.Kind`."""
    problem = {"trimmed": errors.trimmed_stream, "unavailable": errors.unavailable, "cancelled": errors.cancelled}
    return in_band(problem.get(why, errors.upstream_error)(), form, "")


def _body(problem: Problem, dialect: DialectName, request_id: str) -> dict[str, Any]:
    if dialect == "anthropic":
        error = {"type": problem.anthropic, "message": problem.message}
        return {"type": "error", "error": error, "request_id": request_id}
    status = status_of(problem, dialect)
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": problem.message, "type": kind, "param": None, "code": problem.openai}}


def _responses_event(problem: Problem, body: dict[str, Any], sequence: int) -> dict[str, Any]:
    # The reference has the fields at the top; the API itself sends them in `error`, and its SDKs raise only for that.
    told = {"type": "error", "code": problem.openai, "message": problem.message, "param": None}
    return {**told, "sequence_number": sequence, **body}


def _hints(problem: Problem) -> list[tuple[str, str]]:
    """Return the headers by which the SDKs decide whether and when to try again.

    They prefer ``retry-after-ms``, which is more exact; both are rounded up, so that no attempt is too early.
    """
    hints: list[tuple[str, str]] = []
    if problem.retry_after is not None:
        milliseconds = math.ceil(round(problem.retry_after * 1000, 3))
        hints += [("retry-after", str(-(-milliseconds // 1000))), ("retry-after-ms", str(milliseconds))]
    if problem.should_retry is not None:
        hints.append(("x-should-retry", "true" if problem.should_retry else "false"))
    return hints
