"""The spans of one call: its own, and a child span for each attempt. Each ends exactly once."""

import re
from typing import Any, Final

from attrs import define, field

from unbroken import (
    Call,
    Error,
    GiveUp,
    Key,
    NetworkError,
    Outcome,
    Reject,
    Replay,
    Request,
    TimeoutError,
    TryAgain,
    Usage,
    Wait,
)
from unbroken.decisions import Decision
from unbroken.error_bodies import one_line

from . import _semconv as semconv
from ._api import Context, Span, SpanKind, Status, StatusCode, Tracer, inject, set_span_in_context
from ._request import input_tokens, output_tokens, server

# The form of the names that APIs give their errors. Any other text may quote what was sent.
_KIND: Final = re.compile(r"[a-z_]{1,64}\Z")
# The same for what it says of its answer. An id has a prefix or is long; a model that looks like a key is one.
_ID: Final = re.compile(r"(?=.*[-_]|.{16})(?![srp]k-|eyJ)[\w.:/@+=-]{1,200}\Z", re.ASCII)
_MODEL: Final = re.compile(r"(?![srp]k-|eyJ)[A-Za-z0-9][\w.:/@+ -]{0,99}\Z", re.ASCII)
_REASON: Final = re.compile(r"[A-Za-z_]{1,64}\Z")

EVENTS: Final[dict[type, str]] = {
    Wait: "unbroken.wait",
    Reject: "unbroken.reject",
    TryAgain: "unbroken.retry",
    GiveUp: "unbroken.give_up",
    Replay: "unbroken.replay",
}
"""The name of the span event for each decision."""


@define(eq=False)
class CallSpans:
    """The spans of a call that is being recorded.

    No context is attached, because the hooks of a call run in whatever task or thread consumes the stream.
    """

    span: Span
    context: Context
    """Contains `span`, so that it is the parent of the attempts' spans."""
    _tracer: Tracer
    _names: semconv.Names | None
    """None if it is not a model call."""
    _wall: int
    """Unix nanoseconds at monotonic zero, so that a jump of the wall clock does not distort a span."""
    _attempt: Span | None = field(default=None, init=False)
    _number: int = field(default=0, init=False)
    _ended: int | None = field(default=None, init=False)
    """When the attempt ended, in Unix nanoseconds. Its span stays open for the decision that follows."""
    _committed: bool = field(default=False, init=False)

    def attempt(self, call: Call, request: Request, began: float) -> Span:
        """Return the span of the present attempt. The first hook of an attempt starts it and ends the previous one."""
        if self._attempt is not None and self._number == call.attempt:
            return self._attempt
        self._end_attempt()
        attributes = {semconv.HTTP_METHOD: request.method, semconv.ATTEMPT: call.attempt, **server(request.origin)}
        if call.attempt > 1:
            attributes[semconv.HTTP_RESEND_COUNT] = call.attempt - 1
        self._number = call.attempt
        self._attempt = self._tracer.start_span(
            request.method, self.context, SpanKind.CLIENT, attributes, start_time=self._at(began)
        )
        return self._attempt

    def decided(self, call: Call, decision: Decision, plugin: str) -> None:
        """Add an event for `decision` to the span of its attempt."""
        now = call.now()
        span = self.attempt(call, call.current, now)
        moment = self._at(now) if self._ended is None else self._ended
        span.add_event(EVENTS[type(decision)], {semconv.PLUGIN: plugin, **_said(decision)}, moment)

    def conclude(self, call: Call, outcome: Outcome) -> None:
        """Set the attributes and the status of the attempt that has ended."""
        now = call.now()
        span = self.attempt(call, call.current, now - outcome.duration)
        self._note_commit(call, span)
        span.set_attributes({semconv.OUTCOME: outcome.status, **_response(call)})
        _judge(span, outcome)
        self._ended = self._at(now)

    def finish(self, call: Call, outcome: Outcome) -> None:
        """Set the attributes and the status of the call, and end all spans."""
        self._end_attempt()
        self._note_commit(call, self.span)
        self.span.set_attributes(
            {
                semconv.OUTCOME: outcome.status,
                semconv.ATTEMPTS: outcome.attempts,
                semconv.EVENTS: call.events,
                semconv.BYTES: call.bytes,
                **_response(call),
            }
        )
        if self._names is not None:
            self.span.set_attributes({**_consumed(call, self._names), **_answer(call)})
        _judge(self.span, outcome)
        self.span.end(self._at(call.started_at + outcome.duration))

    def _end_attempt(self) -> None:
        if self._attempt is not None:
            self._attempt.end(self._ended)
        self._attempt = self._ended = None

    def _note_commit(self, call: Call, span: Span) -> None:
        if call.first_event_at is not None and not self._committed:
            self._committed = True
            span.add_event(semconv.FIRST_EVENT, timestamp=self._at(call.first_event_at))

    def _at(self, moment: float) -> int:
        return self._wall + int(moment * 1e9)


SPANS: Final[Key[CallSpans | None]] = Key("otel.spans")


def traceparent(span: Span) -> dict[str, str]:
    """Return the headers that continue the trace of `span`. They contain nothing else of the context, no baggage."""
    headers: dict[str, str] = {}
    inject(headers, set_span_in_context(span, Context()))
    return headers


def error_attributes(error: Error) -> dict[str, Any]:
    """Return the attributes that identify `error`: names from small sets, no text of the server."""
    found: dict[str, Any] = {semconv.ERROR_TYPE: type(error).__name__}
    if error.phase is not None:
        found[semconv.PHASE] = error.phase
    if isinstance(error, TimeoutError) and error.timeout is not None:
        found[semconv.TIMEOUT] = error.timeout
    if error.kind is not None and _KIND.match(error.kind):
        found[semconv.KIND] = error.kind
    return found


def _judge(span: Span, outcome: Outcome) -> None:
    """Set the status. Success and cancellation leave it unset: a consumer may leave when it has seen enough."""
    if outcome.error is not None:
        span.set_attributes(error_attributes(outcome.error))
        span.set_status(Status(StatusCode.ERROR, _description(outcome.error)))


def _description(error: Error) -> str:
    """Return the message if this client has worded it, else the class: a server's words may quote the request."""
    own = error.is_local or isinstance(error, NetworkError | TimeoutError)
    return one_line(error.message) if own else type(error).__name__


def _response(call: Call) -> dict[str, Any]:
    response = call.response
    if response is None:
        return {}
    name = call.dialect.response_id_header
    id = one_line(response.headers.get(name, ""))
    header = {semconv.HTTP_RESPONSE_HEADER + name.lower(): [id]} if id else {}
    return {semconv.HTTP_STATUS: response.status_code, **header}


def _consumed(call: Call, names: semconv.Names) -> dict[str, Any]:
    usage = call.usage or Usage()
    found = {
        names.time_to_first_chunk: None if call.first_event_at is None else call.first_event_at - call.started_at,
        semconv.INPUT_TOKENS: input_tokens(usage),
        semconv.OUTPUT_TOKENS: output_tokens(usage),
        names.cache_read: usage.cache_read_tokens,
        names.cache_write: usage.cache_write_tokens,
    }
    return {name: value for name, value in found.items() if name is not None and value is not None}


def _answer(call: Call) -> dict[str, Any]:
    """Return what the server has said about the answer, from the few events that the dialect's reader has kept."""
    said = call.summary
    if said is None:
        return {}
    found = {
        semconv.RESPONSE_ID: said.id if said.id and _ID.match(said.id) else None,
        semconv.RESPONSE_MODEL: said.model if said.model and _MODEL.match(said.model) else None,
        semconv.FINISH_REASONS: [reason for reason in said.finish_reasons if _REASON.match(reason)],
    }
    return {name: value for name, value in found.items() if value}


def _said(decision: Decision) -> dict[str, Any]:
    match decision:
        case Wait(seconds=seconds, reason=reason):
            found: dict[str, Any] = {semconv.DELAY: float(seconds), semconv.REASON: one_line(reason)}
        case TryAgain(delay=delay, reason=reason, resume=resume):
            found = {semconv.DELAY: float(delay), semconv.REASON: one_line(reason), semconv.RESUME: resume}
        case Reject(error=error):
            found = error_attributes(error)
        case GiveUp(error=error, reason=reason):
            found = {semconv.REASON: one_line(reason), **(error_attributes(error) if error else {})}
        case Replay(events=events):
            found = {semconv.EVENTS: len(events)}
    found[semconv.SHADOW] = decision.shadow
    return {name: value for name, value in found.items() if value not in ("", False)}
