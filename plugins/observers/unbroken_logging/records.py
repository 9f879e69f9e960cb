"""The records: their kinds, levels and fields. None contains the content of requests or events.

Every record has `unbroken` (its kind), `request_id`, `attempt`, `phase` and `origin`; that of a circuit, which belongs
to no call, has only the first. Fields without a value are left out.

| kind            | level                                 | further fields                                   |
|-----------------|---------------------------------------|--------------------------------------------------|
| attempt-started | DEBUG                                 |                                                  |
| attempt-ended   | DEBUG                                 | status, duration, bytes, error fields            |
| event           | DEBUG, with `events`                  | event_type, event_id, size                       |
| wait            | DEBUG; from one second on WARNING     | plugin, delay, reason                            |
| reject          | WARNING                               | plugin, error fields                             |
| retry           | WARNING                               | plugin, delay, reason, resume, error fields      |
| give-up         | INFO                                  | plugin, reason, error fields                     |
| replay          | INFO                                  | plugin, events                                   |
| call-ended      | INFO; rejected WARNING; failure ERROR | status, duration, time_to_first_event, events,   |
|                 |                                       | bytes, usage, request_headers, response_headers, |
|                 |                                       | error fields                                     |
| circuit         | WARNING                               | circuit, key, old, new, failure_count            |

A decision made in shadow changed nothing: it has `shadow`, its message begins with "in shadow: ", and its level is at
most INFO. The error fields are error (its class), error_message, error_kind (the API's name for it), status_code,
retry_after and response_id; for a TimeoutError also timeout (its name), for a CircuitOpenError circuit and key. Times
are seconds.
"""

from contextvars import Context, copy_context
from typing import Any, Final, assert_never

import attrs
from attrs import field, frozen

from unbroken.call import Call, Outcome
from unbroken.decisions import Decision, GiveUp, Reject, Replay, TryAgain, Wait
from unbroken.errors import CircuitOpenError, Error, TimeoutError
from unbroken.headers import Headers
from unbroken.messages import Event, Response

from .redaction import clean, clean_id, clean_named

LONG_WAIT: Final = 1.0

# Constant texts: nothing is ever formatted into a message.
MESSAGES: Final = {
    "attempt-started": "attempt started",
    "attempt-ended": "attempt ended",
    "event": "event",
    "wait": "waiting",
    "reject": "rejected",
    "retry": "retrying",
    "give-up": "giving up",
    "replay": "answered from memory",
    "call-ended": "call ended",
    "circuit": "circuit changed",
}
CALL_LEVELS: Final = {"success": "INFO", "cancelled": "INFO", "rejected": "WARNING", "failure": "ERROR"}


_IDS: Final = frozenset({"unbroken", "request_id", "response_id", "origin", "plugin", "error"})


@frozen
class Record:
    """One record as the hook collected it. It is cleaned only when it is written."""

    level: str
    time: float
    """Unix seconds."""
    fields: dict[str, Any]
    context: Context = field(factory=copy_context)
    """The context of the hook, so that the record gets what the application keeps there (loguru's `contextualize`)."""

    @property
    def message(self) -> str:
        """The constant text for its kind."""
        message = MESSAGES[self.fields["unbroken"]]
        return f"in shadow: {message}" if self.fields.get("shadow") else message

    def cleaned(self) -> dict[str, Any]:
        """Return the fields that have a value, free of secrets and control characters."""
        return {name: _cleaned(name, value) for name, value in self.fields.items() if value not in (None, "")}


def _cleaned(name: str, value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    return clean_id(str(value)) if name in _IDS else clean(value)


def decision_kind(decision: Decision) -> tuple[str, str]:
    """Return the level and the kind of the record of `decision`."""
    level, kind = _kind(decision)
    return ("INFO" if decision.shadow and level == "WARNING" else level), kind


def _kind(decision: Decision) -> tuple[str, str]:
    match decision:
        case Wait(seconds=seconds):
            return ("WARNING" if seconds >= LONG_WAIT else "DEBUG"), "wait"
        case TryAgain():
            return "WARNING", "retry"
        case Reject():
            return "WARNING", "reject"
        case GiveUp():
            return "INFO", "give-up"
        case Replay():
            return "INFO", "replay"
        case _:
            assert_never(decision)


def common(call: Call, kind: str) -> dict[str, Any]:
    """Return the fields that every record of a call has."""
    return {
        "unbroken": kind,
        "request_id": call.id,
        "attempt": call.attempt,
        "phase": call.phase,
        "origin": call.current.origin,
    }


def of_decision(decision: Decision, call: Call) -> dict[str, Any]:
    """Return the fields for what was decided, and why."""
    return {**_decided(decision, call), "shadow": decision.shadow or None}


def _decided(decision: Decision, call: Call) -> dict[str, Any]:
    match decision:
        case Wait(seconds=seconds, reason=reason):
            return {"delay": seconds, "reason": reason}
        case TryAgain(delay=delay, resume=resume, reason=reason):
            return {"delay": delay, "reason": reason, "resume": resume or None, **of_error(call.error)}
        case Reject(error=error):
            return of_error(error)
        case GiveUp(error=error, reason=reason):
            return {"reason": reason, **of_error(error or call.error)}
        case Replay(events=events):
            return {"events": len(events)}
        case _:
            assert_never(decision)


def of_error(error: Error | None) -> dict[str, Any]:
    """Return the fields that describe `error`."""
    if error is None:
        return {}
    fields = {
        "error": type(error).__name__,
        "error_message": str(error.message),
        "error_kind": error.kind,
        "status_code": error.status_code,
        "retry_after": error.retry_after,
        "response_id": error.response_id,
    }
    if isinstance(error, CircuitOpenError):
        fields |= {"circuit": _text(error.circuit), "key": _text(error.key)}
    if isinstance(error, TimeoutError):
        fields["timeout"] = error.timeout
    return fields


def of_circuit(circuit: str, key: str, old: str, new: str, failure_count: int) -> dict[str, Any]:
    """Return the fields of the record of a circuit that has changed its state."""
    names = {"circuit": _text(circuit), "key": _text(key), "old": _text(old), "new": _text(new)}
    return {"unbroken": "circuit", **names, "failure_count": failure_count}


def of_attempt(call: Call, outcome: Outcome) -> dict[str, Any]:
    """Return the fields for how an attempt ended."""
    head = {"status": outcome.status, "duration": outcome.duration, "bytes": call.bytes}
    return {**head, **(of_error(outcome.error) if outcome.error else _of_response(call))}


def of_call(call: Call, outcome: Outcome, allowed: frozenset[str]) -> dict[str, Any]:
    """Return the fields for how a call ended, with the values of the `allowed` headers."""
    first = None if call.first_event_at is None else call.first_event_at - call.started_at
    usage = None if call.usage is None else attrs.asdict(call.usage, filter=_given)
    return {
        **of_attempt(call, outcome),
        "attempt": outcome.attempts,
        "time_to_first_event": first,
        "events": call.events,
        "usage": usage or None,
        "request_headers": _headers(call.current, allowed),
        "response_headers": _headers(call.response, allowed),
    }


def of_event(event: Event) -> dict[str, Any]:
    """Return the fields that identify an event, without its data."""
    return {"event_type": event.type, "event_id": event.id, "size": len(event.raw)}


def _text(value: object) -> str | None:
    """Return `value` as text. Keys and states may be of any class, such as an enumeration."""
    return None if value is None else str(value)


def _given(attribute: Any, count: int | None) -> bool:
    return count is not None and count is not False


def _of_response(call: Call) -> dict[str, Any]:
    response: Response | None = call.response
    if response is None:
        return {}
    return {
        "status_code": response.status_code,
        "response_id": response.headers.get(call.dialect.response_id_header),
    }


def _headers(message: Any, allowed: frozenset[str]) -> dict[str, str] | None:
    if message is None or not allowed:
        return None
    headers: Headers = message.headers
    return {name: clean_named(name, value) for name, value in headers.items() if name in allowed} or None
