"""The instruments, with the names of one version of the conventions."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from . import _semconv as semconv
from ._api import Context, Counter, Histogram, Meter

Counts = tuple[int | None, int | None]


@frozen
class TokenInstruments:
    """The token counters and histograms of the ``latest`` conventions."""

    counters: tuple[Counter, Counter, Counter, Counter]
    """Input, output, cache reads, cache writes."""
    histograms: tuple[Histogram, Histogram]
    modality: str

    def record(
        self,
        spent: Counts,
        cached: Counts,
        attributes: Mapping[str, Any],
        failed: Mapping[str, Any],
        context: Context | None,
    ) -> None:
        """Record the tokens of one call. A count that the server has not given is 0, as the conventions require."""
        counted = {**attributes, self.modality: "unknown"}
        for counter, count in zip(self.counters, (*spent, *cached), strict=True):
            counter.add(count or 0, counted, context)
        for histogram, count in zip(self.histograms, spent, strict=True):
            histogram.record(count or 0, {**attributes, **failed}, context)


@frozen(kw_only=True)
class Instruments:
    """All instruments of a plugin. None: this version of the conventions does not have it."""

    duration: Histogram
    first_chunk: Histogram | None
    output_chunk: Histogram | None
    token_usage: Histogram | None
    tokens: TokenInstruments | None
    retries: Counter
    cancellations: Counter
    transitions: Counter

    @classmethod
    def made(cls, meter: Meter, names: semconv.Names) -> "Instruments":
        """Create the instruments that `names` has, on `meter`."""

        def seconds(name: str | None, what: str) -> Histogram | None:
            return None if name is None else _seconds(meter, name, what)

        usage = "Number of input and output tokens used."
        return cls(
            duration=_seconds(meter, names.duration_metric, "Duration of the operation, retries and waits included."),
            first_chunk=seconds(names.first_chunk_metric, "Time until the first content event was delivered."),
            output_chunk=seconds(names.output_chunk_metric, "Time per event after the first, the mean of a call."),
            token_usage=None if names.token_histogram is None else _tokens(meter, names.token_histogram, usage),
            tokens=None if names.token_metrics is None else _token_instruments(meter, names.token_metrics),
            retries=meter.create_counter(semconv.RETRIES, "{retry}", "Attempts begun because one before them failed."),
            cancellations=meter.create_counter(semconv.CANCELLATIONS, "{call}", "Calls whose consumer left."),
            transitions=meter.create_counter(semconv.TRANSITIONS, "{transition}", "Changes of a circuit's state."),
        )


def _seconds(meter: Meter, name: str, what: str) -> Histogram:
    return meter.create_histogram(name, "s", what, explicit_bucket_boundaries_advisory=semconv.LONG_SECONDS)


def _tokens(meter: Meter, name: str, what: str) -> Histogram:
    return meter.create_histogram(name, "{token}", what, explicit_bucket_boundaries_advisory=semconv.TOKENS)


def _token_instruments(meter: Meter, names: semconv.TokenMetrics) -> TokenInstruments:
    return TokenInstruments(
        (
            meter.create_counter(names.input, "{token}", "Input tokens used, cached ones included."),
            meter.create_counter(names.output, "{token}", "Output tokens used."),
            meter.create_counter(names.cache_read, "{token}", "Input tokens read from a cache."),
            meter.create_counter(names.cache_write, "{token}", "Input tokens written to a cache."),
        ),
        (
            _tokens(meter, names.operation_input, "Input tokens of one operation."),
            _tokens(meter, names.operation_output, "Output tokens of one operation."),
        ),
        names.modality,
    )
