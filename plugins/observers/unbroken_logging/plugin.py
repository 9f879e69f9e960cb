"""The logging plugin: takes down what happens, and leaves the writing to a thread."""

import weakref
from typing import Any, ClassVar, Self, Unpack

from unbroken.call import Call, Outcome
from unbroken.clock import Clock, SystemClock
from unbroken.decisions import Decision
from unbroken.messages import Event, Request
from unbroken.plugin import Order, Plugin, hookimpl

from . import records
from ._output import Output
from ._queue import BoundedQueue
from .config import LEVELS, LoggingConfig, LoggingOptions
from .records import Record


class Logging(Plugin):
    """Writes one record per decision and per call through loguru; `unbroken_logging.records` lists them.

    ``plugins=["logging", ...]`` is enough: as loguru prints to stderr unless told otherwise, each record is a
    readable line there. An application that has set up loguru gets the records in its own handlers; one that
    prefers a place for them alone names a `sink`, and then nothing else prints them. An application with
    standard logging says ``sink="stdlib"``.

    The hooks only take down plain values. A thread redacts, formats and writes, so that a sink which is slow,
    blocked or broken never holds up a stream; when `queue_size` records wait, the oldest is dropped and
    counted. Records are therefore written a moment after the fact, with the time of the fact: `flush()` waits
    for them. With ``queue_size=0`` the hook writes (needed for coroutine sinks of loguru, which want the
    thread of their event loop), and waits as long as the sink.
    """

    name = "logging"
    Config: ClassVar[type[Any]] = LoggingConfig
    order: ClassVar[tuple[Order, ...]] = (
        Order(
            ("timeout", "retry", "circuit-breaker", "rate-limit"),
            "it does not see the calls that plugins in front of it reject or answer, so it belongs in front",
        ),
    )
    config: LoggingConfig

    def __new__(cls, config: Any = None, /, **values: Any) -> Self:
        """Make the variant with `on_event` only when asked for: a hook that is not there costs nothing."""
        wanted = values.get("events", getattr(config, "events", False)) is True
        return super().__new__(_EventLogging if wanted and cls is Logging else cls)  # type: ignore[return-value]

    def __init__(self, config: LoggingConfig | None = None, /, **options: Unpack[LoggingOptions]) -> None:
        """Take a configuration, or its values. Raises ConfigurationError for a file that cannot be opened."""
        super().__init__(config, **options)
        threshold = LEVELS[self.config.level]
        self._wanted = frozenset(level for level, rank in LEVELS.items() if rank >= threshold)
        self._debugs = "DEBUG" in self._wanted
        # A circuit changes without a call: its record has the time of the client's clock.
        self._clock: Clock = SystemClock()
        output = Output(self.config)
        self._queue = BoundedQueue(output.write, self.config.queue_size, on_closed=output.close)
        # Runs once: on close(), when the plugin is no longer used, or at exit.
        self._finalizer = weakref.finalize(self, self._queue.close)

    @property
    def dropped(self) -> int:
        """How many records were never written because the sink was too slow."""
        return self._queue.dropped

    @property
    def failed(self) -> int:
        """How many records could not be written. Errors of its own sinks loguru prints to stderr itself."""
        return self._queue.failed

    def flush(self, timeout: float = 1.0) -> bool:
        """Wait until all records so far are written, `timeout` seconds at most. Return whether they are."""
        return self._queue.flush(timeout)

    def close(self) -> None:
        """Write what there is (for a second at most), then release the sink. Later records are ignored."""
        self._finalizer()

    def bind(self, relay: Any, clock: Clock) -> None:
        """Take the clock of the client."""
        self._clock = clock

    def before_request(self, call: Call, request: Request) -> None:
        """Record that an attempt begins."""
        if self._debugs:
            self._log(call, "DEBUG", records.common(call, "attempt-started"))

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Record what was decided, by whom and why."""
        level, kind = records.decision_kind(decision)
        if level in self._wanted:
            fields = records.common(call, kind)
            self._log(call, level, fields | {"plugin": plugin} | records.of_decision(decision, call))

    def after_request(self, call: Call, outcome: Outcome) -> None:
        """Record how an attempt ended."""
        if self._debugs:
            fields = records.common(call, "attempt-ended")
            self._log(call, "DEBUG", fields | records.of_attempt(call, outcome))

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        """Record how the call ended and what it took."""
        level = records.CALL_LEVELS[outcome.status]
        if level in self._wanted:
            fields = records.common(call, "call-ended")
            self._log(call, level, fields | records.of_call(call, outcome, self.config.allow_headers))

    @hookimpl(optional=True)
    def on_circuit_state_change(self, circuit: str, key: str, old: str, new: str, failure_count: int) -> None:
        """Record that a circuit opened, closed or tries again. The circuit breaker specifies this hook."""
        if "WARNING" in self._wanted:
            fields = records.of_circuit(circuit, key, old, new, failure_count)
            self._queue.put(Record("WARNING", self._clock.time(), fields))

    def _log(self, call: Call, level: str, fields: dict[str, Any]) -> None:
        self._queue.put(Record(level, call.time(), fields))


class _EventLogging(Logging):
    """What `Logging(events=True)` makes."""

    def on_event(self, call: Call, event: Event) -> None:
        """Record that an event is delivered."""
        if self._debugs:
            self._log(call, "DEBUG", records.common(call, "event") | records.of_event(event))
