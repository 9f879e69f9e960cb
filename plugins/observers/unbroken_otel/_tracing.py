"""The plugin that records spans."""

import logging
from collections.abc import Callable
from typing import Any, ClassVar, Final, Unpack

from unbroken import Call, Inbox, Outcome, Plugin, Request
from unbroken.decisions import Decision

from ._api import Span, SpanKind, records_nothing, set_span_in_context, tracer
from ._config import OTelTracingConfig, OTelTracingOptions
from ._content import content
from ._request import Identity, body_of, identifier, settings
from ._semconv import CALL_ID, REQUEST_MODEL, names
from ._spans import SPANS, CallSpans, traceparent

_log = logging.getLogger("unbroken")
_UNSEEN: Final[Any] = object()
_CLIENT: Final = SpanKind.CLIENT


class OTelTracing(Plugin):
    """Records a span for each call and a child span for each attempt, with the decisions as events.

    ``plugins=["otel-tracing", ...]``. Put it first in the list, so that it sees what the other plugins decide. Without
    an SDK, or for a call that is not sampled, it costs next to nothing.
    """

    name: ClassVar[str] = "otel-tracing"
    Config: ClassVar[type[Any]] = OTelTracingConfig
    config: OTelTracingConfig

    def __init__(self, config: OTelTracingConfig | None = None, /, **options: Unpack[OTelTracingOptions]) -> None:
        super().__init__(config, **options)
        self._names = names(self.config.semconv)
        self._identify = identifier(self._names, self.config.provider_name, self.config.operation_name)
        self._tracer = tracer(self.config.tracer_provider)
        # Span processors hold locks, and meanwhile the garbage collector may end another call, and so its spans.
        self._inbox = Inbox()

    def before_request(self, call: Call, request: Request) -> Request | None:
        """Start the span of the attempt, and return the request with its ``traceparent``.

        Span processors and samplers belong to the application. If one raises, that is logged and the call goes on.
        """
        try:
            return self._inbox.do(self._started, call, request)
        except Exception as error:  # noqa: BLE001
            _log.error("plugin %r failed in before_request; the call goes on", self.name, exc_info=error)
            return None

    def _started(self, call: Call, request: Request) -> Request | None:
        spans = self._spans(call)
        if spans is None:
            return None
        span = spans.attempt(call, request, call.now())
        headers = traceparent(span) if self.config.propagate and span.is_recording() else None
        return request.with_headers(headers) if headers else None

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Add an event to the span of the attempt."""
        self._tell(call, CallSpans.decided, decision, plugin)

    def after_request(self, call: Call, outcome: Outcome) -> None:
        """Record how the attempt ended. Its span is still open for the decision that follows."""
        self._tell(call, CallSpans.conclude, outcome)

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        """End the span of the call."""
        self._tell(call, CallSpans.finish, outcome)

    def _tell(self, call: Call, what: Callable[..., None], *arguments: Any) -> None:
        if call.get(SPANS, _UNSEEN) is not None:
            self._inbox.put(self._told, call, what, arguments)

    def _told(self, call: Call, what: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        spans = self._spans(call)
        if spans is not None:
            what(spans, call, *arguments)

    def _spans(self, call: Call) -> CallSpans | None:
        """Return the spans of `call`, None if they are not recorded.

        The first hook that runs starts them, because a plugin in front may reject a call before `before_request` here.
        """
        spans = call.get(SPANS, _UNSEEN)
        return self._begin(call) if spans is _UNSEEN else spans

    def _begin(self, call: Call) -> CallSpans | None:
        call.set(SPANS, None)  # if the rest raises, it is not tried again
        if records_nothing(self._tracer):
            return None
        request, clock = call.request, call.clock
        identity = self._identify(request.url, request.origin, call.dialect.name)
        name = identity.operation or request.method
        wall = int((clock.time() - clock.monotonic()) * 1e9)
        started = wall + int(call.started_at * 1e9)
        span = self._tracer.start_span(name, None, _CLIENT, identity.attributes, None, started)
        if not span.is_recording():
            return None
        self._describe(span, call, name, identity)
        used = None if identity.operation is None else self._names
        spans = CallSpans(span, set_span_in_context(span), self._tracer, used, wall)
        call.set(SPANS, spans)
        return spans

    def _describe(self, span: Span, call: Call, name: str, identity: Identity) -> None:
        span.set_attribute(CALL_ID, call.id)
        if identity.operation is None:
            return
        body = body_of(call)
        span.set_attributes(settings(body, self._names))
        if body.model_name is not None:
            span.update_name(f"{name} {body.model_name}")
            span.set_attribute(REQUEST_MODEL, body.model_name)
        if self.config.capture_content:
            span.set_attributes(content(call.request, self._names))
