"""The logging plugin: its hooks collect records, and a thread writes them."""

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
    """Writes one record per decision and per call; `unbroken_logging.records` lists them.

    ``plugins=["logging", ...]`` is enough: the records go to loguru, which prints to stderr by default, so each is a
    readable line there. In an application that has set up loguru, its handlers get the records. With a `sink` the
    records go there and nowhere else, and loguru need not be installed; ``sink="stdlib"`` is for applications that use
    the standard library's logging.

    The hooks only copy plain values. A thread redacts, formats and writes them, so that a slow, blocked or broken sink
    never delays a stream. When `queue_size` records wait, the oldest is dropped and counted. So a record is written a
    moment after its hook has run, with the time of the hook; `flush()` waits for all records so far. With
    ``queue_size=0`` the hook itself writes and takes as long as the sink. Coroutine sinks of loguru need that, because
    they must run in the thread of their event loop.
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
        """Return an instance with an `on_event` hook only if `events` is set: a missing hook costs nothing."""
        wanted = values.get("events", getattr(config, "events", False)) is True
        return super().__new__(_EventLogging if wanted and cls is Logging else cls)  # type: ignore[return-value]

    def __init__(self, config: LoggingConfig | None = None, /, **options: Unpack[LoggingOptions]) -> None:
        """Take a configuration or its values.

        Raises ConfigurationError if the file of the sink cannot be opened, or if there is no `sink` and no loguru.
        """
        super().__init__(config, **options)
        threshold = LEVELS[self.config.level]
        self._wanted = frozenset(level for level, rank in LEVELS.items() if rank >= threshold)
        self._debugs = "DEBUG" in self._wanted
        # A circuit can change outside a call, so its record gets the time from the client's clock.
        self._clock: Clock = SystemClock()
        output = Output(self.config)
        self._queue = BoundedQueue(output.write, self.config.queue_size, on_closed=output.close)
        self._finalizer = weakref.finalize(self, self._queue.abandon)
        self._finalizer.atexit = False  # all queues are closed then

    @property
    def dropped(self) -> int:
        """The number of records that were dropped because the sink was too slow."""
        return self._queue.dropped

    @property
    def failed(self) -> int:
        """The number of records whose writing raised; the first is reported to the standard logger ``unbroken``.

        Errors in the application's loguru handlers are printed to stderr by loguru, and not counted.
        """
        return self._queue.failed

    def flush(self, timeout: float = 1.0) -> bool:
        """Wait up to `timeout` seconds until all records so far are written. Return whether they are."""
        return self._queue.flush(timeout)

    def close(self) -> None:
        """Write the waiting records, for up to one second, then release the sink. Later records are ignored."""
        self._finalizer.detach()
        self._queue.close()

    def bind(self, relay: Any, clock: Clock) -> None:
        """Take the clock of the client."""
        self._clock = clock

    def before_request(self, call: Call, request: Request) -> None:
        """Record that an attempt begins."""
        if self._debugs:
            self._log(call, "DEBUG", records.common(call, "attempt-started"))

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Record what was decided, by which plugin, and why."""
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
        """Record how the call ended and what it used."""
        level = records.CALL_LEVELS[outcome.status]
        if level in self._wanted:
            fields = records.common(call, "call-ended")
            self._log(call, level, fields | records.of_call(call, outcome, self.config.allow_headers))

    @hookimpl(optional=True)
    def on_circuit_state_change(self, circuit: str, key: str, old: str, new: str, failure_count: int) -> None:
        """Record that a circuit has changed its state. The circuit breaker specifies this hook."""
        if "WARNING" in self._wanted:
            fields = records.of_circuit(circuit, key, old, new, failure_count)
            self._queue.put(Record("WARNING", self._clock.time(), fields))

    def _log(self, call: Call, level: str, fields: dict[str, Any]) -> None:
        self._queue.put(Record(level, call.time(), fields))


class _EventLogging(Logging):
    """The class of ``Logging(events=True)``."""

    def on_event(self, call: Call, event: Event) -> None:
        """Record that an event is about to be delivered."""
        if self._debugs:
            self._log(call, "DEBUG", records.common(call, "event") | records.of_event(event))
