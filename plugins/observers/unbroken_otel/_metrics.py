"""The plugin that records metrics."""

from typing import Any, ClassVar, Unpack

from unbroken import Call, Inbox, Outcome, Plugin, TimeoutError, TryAgain, Usage, hookimpl
from unbroken.decisions import Decision

from . import _semconv as semconv
from ._api import Context, measures_nothing, meter
from ._config import OTelMetricsConfig, OTelMetricsOptions
from ._instruments import Instruments
from ._request import body_of, identifier, input_tokens, output_tokens
from ._spans import SPANS


class OTelMetrics(Plugin):
    """Records metrics of each call: duration, time to the first event and between events, tokens, retries.

    ``plugins=["otel-metrics", ...]``. Events cost nothing: all but the retries is recorded at the end of a call. With
    `OTelTracing` in the same list the measurements are linked to the span of the call (exemplars).
    """

    name: ClassVar[str] = "otel-metrics"
    Config: ClassVar[type[Any]] = OTelMetricsConfig
    config: OTelMetricsConfig

    def __init__(self, config: OTelMetricsConfig | None = None, /, **options: Unpack[OTelMetricsOptions]) -> None:
        super().__init__(config, **options)
        self._names = semconv.names(self.config.semconv)
        self._identify = identifier(self._names, self.config.provider_name, self.config.operation_name)
        self._instruments = Instruments.made(meter(self.config.meter_provider), self._names)
        # An SDK records under locks, and meanwhile the garbage collector may end, and so record, another call.
        self._inbox = Inbox()

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Count a retry, by the error that caused it."""
        if isinstance(decision, TryAgain) and not decision.shadow and not measures_nothing(self._instruments.duration):
            about = call.history[-1].error if call.history else "_OTHER"
            attributes = self._attributes(call) | {semconv.ERROR_TYPE: about}
            self._inbox.put(self._instruments.retries.add, 1, attributes, _context(call))

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        """Record the metrics of the call."""
        instruments = self._instruments
        if measures_nothing(instruments.duration):
            return
        attributes, context = self._attributes(call), _context(call)
        if outcome.status == "cancelled":
            self._inbox.put(instruments.cancellations.add, 1, attributes, context)
        if semconv.OPERATION in attributes:
            self._inbox.put(self._record, call, outcome, attributes, context)

    @hookimpl(optional=True)
    def on_circuit_state_change(self, circuit: str, old: str, new: str) -> None:
        """Count a change of a circuit's state. Its key is not an attribute, as it can have any number of values."""
        names = (semconv.CIRCUIT, semconv.OLD_STATE, semconv.NEW_STATE)
        attributes = dict(zip(names, map(str, (circuit, old, new)), strict=True))
        self._inbox.put(self._instruments.transitions.add, 1, attributes)

    def _attributes(self, call: Call) -> dict[str, Any]:
        request = call.current
        identity = self._identify(request.url, request.origin, call.dialect.name)
        return identity.with_model(None if identity.operation is None else body_of(call).model_name)

    def _record(self, call: Call, outcome: Outcome, attributes: dict[str, Any], context: Context | None) -> None:
        instruments = self._instruments
        failed = {} if outcome.error is None else {semconv.ERROR_TYPE: type(outcome.error).__name__}
        expired = {semconv.TIMEOUT: outcome.error.timeout} if isinstance(outcome.error, TimeoutError) else {}
        instruments.duration.record(outcome.duration, attributes | failed | expired, context)
        if call.first_event_at is not None:
            waited = call.first_event_at - call.started_at
            if instruments.first_chunk is not None:
                instruments.first_chunk.record(waited, attributes, context)
            # The silence at the end of a failed stream is not a time between two events.
            if instruments.output_chunk is not None and outcome.status == "success" and call.events > 1:
                each = max(0.0, outcome.duration - waited) / (call.events - 1)
                instruments.output_chunk.record(each, attributes, context)
        usage = call.usage or Usage()
        spent = (input_tokens(usage), output_tokens(usage))
        if instruments.token_usage is not None:
            for kind, count in zip(("input", "output"), spent, strict=True):
                if count is not None:
                    instruments.token_usage.record(count, attributes | {semconv.TOKEN_TYPE: kind}, context)
        if instruments.tokens is not None:
            cached = (usage.cache_read_tokens, usage.cache_write_tokens)
            instruments.tokens.record(spent, cached, attributes, failed, context)


def _context(call: Call) -> Context | None:
    spans = call.get(SPANS)
    return None if spans is None else spans.context
