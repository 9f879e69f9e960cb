"""The metrics plugin: what it records in each hook."""

import logging
import threading
from collections.abc import Callable
from typing import Any, ClassVar, Unpack

from unbroken import (
    Call,
    Inbox,
    Key,
    Order,
    Outcome,
    Plugin,
    Request,
    TimeoutError,
    TruncatedStreamError,
    TryAgain,
    Wait,
    hookimpl,
)
from unbroken.decisions import Decision

from ._book import Book
from ._circuits import Circuits
from ._config import MetricsConfig, MetricsOptions
from ._distribution import need_digests
from ._labels import OTHER, Labels, Names, model_of
from ._series import Series
from ._tally import error_name
from ._values import CallEnded, MetricsSnapshot

Subscriber = Callable[[CallEnded], object]

_MODEL: Key[tuple[bytes, bytes | str]] = Key("metrics.model")
"""A body, and the model that it names."""
_WAIT: Key[tuple[str, float, float, bool]] = Key("metrics.wait")
"""The wait that goes on: its plugin, since when, until when at most, and whether a signal may end it."""

_log = logging.getLogger("unbroken")


class Metrics(Plugin):
    """Counts calls, attempts and events, and decides nothing: ``Metrics()``, first in the list.

    One object may serve several clients and counts them together. `snapshot` returns all numbers at any time,
    `subscribe` reports each call that ends, and `PrometheusCollector` exports everything to Prometheus. Raises
    ConfigurationError if the packages of the extra ``metrics`` are not installed.
    """

    name: ClassVar[str] = "metrics"
    Config: ClassVar[type[Any]] = MetricsConfig
    order: ClassVar[tuple[Order, ...]] = (
        Order(
            ("timeout", "retry", "circuit-breaker", "rate-limit"),
            "it does not see the calls that plugins in front of it reject or answer, so it belongs in front",
        ),
    )
    config: MetricsConfig

    def __init__(self, config: MetricsConfig | None = None, /, **options: Unpack[MetricsOptions]) -> None:
        super().__init__(config, **options)
        need_digests()
        self._book = Book(self.config)
        self._live: dict[int, Call] = {}
        self._subscribers: tuple[Subscriber, ...] = ()
        self._subscribing = threading.Lock()
        self._ended = Inbox()

    def before_request(self, call: Call, request: Request) -> None:
        """Note that the call is in flight."""
        self._live[id(call)] = call

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Count waits and retries."""
        if decision.shadow:
            self._book.put(_names(call), Series.shadowed, plugin, type(decision).__name__)
        elif isinstance(decision, Wait):
            self._live[id(call)] = call
            self._wait(call, decision, plugin)
        elif isinstance(decision, TryAgain):
            reason = OTHER if call.error is None else error_name(call.error)
            self._book.put(_names(call), Series.retried, reason, decision.delay)

    def _wait(self, call: Call, decision: Wait, plugin: str) -> None:
        """Note a wait, which may end early. One that goes on after its signal is the same wait."""
        now, pending = call.now(), call.get(_WAIT)
        if pending is not None and pending[0] == plugin and pending[3]:
            call.set(_WAIT, (plugin, pending[1], now + decision.seconds, decision.until is not None))
            return
        self._end_wait(call)
        call.set(_WAIT, (plugin, now, now + decision.seconds, decision.until is not None))

    def _end_wait(self, call: Call) -> None:
        """Count the wait that has ended, if there is one."""
        pending = call.pop(_WAIT)
        if pending is not None:
            plugin, since, until, _ = pending
            ended = call.now() if call.sent_at is None else call.sent_at
            self._book.put(_names(call), Series.waited, plugin, min(until, ended) - since)

    def after_request(self, call: Call, outcome: Outcome) -> None:
        """Count an attempt that did not succeed. A successful one ends its call and is counted with it."""
        self._end_wait(call)
        if outcome.status == "success":
            return
        put, names, error = self._book.put, _names(call), outcome.error
        put(names, Series.attempt_ended, outcome.status, call.usage, call.dialect, call.response)
        if error is not None:
            name = error_name(error)
            stalled = isinstance(error, TimeoutError) and error.timeout in {"idle", "quiet"}
            put(names, Series.attempt_failed, name, stalled, isinstance(error, TruncatedStreamError))

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        """Count the call."""
        self._live.pop(id(call), None)
        first = None if call.first_event_at is None else call.first_event_at - call.started_at
        if outcome.status == "success" and outcome.attempts > len(call.history):
            dialect, request = call.dialect, call.current
            names = (dialect.name, model_of(request.content), request.origin)
            head = (dialect, call.response)
            self._book.succeeded(names, (outcome.duration, first, call.events, call.bytes, call.usage, head))
        else:  # not a success, or one that was replayed after a failure
            error = None if outcome.error is None else error_name(outcome.error)
            rest = (outcome.status, error, outcome.duration, first, call.events, call.bytes)
            self._book.put(_names(call), Series.call_ended, *rest)
        if self._subscribers:
            self._ended.add(self._tell, _ended(call, outcome, first))
        self._tell_all()

    @hookimpl(optional=True)
    def on_circuit_state_change(self, circuit: str, key: str, old: str, new: str, failure_count: int) -> None:
        """Count a change of a circuit's state. The circuit breaker specifies this hook."""
        self._book.put(None, Circuits.changed, str(circuit), str(key), str(old), str(new))

    def snapshot(self) -> MetricsSnapshot:
        """Return all counts at this moment."""
        snapshot = self._book.snapshot([(_names(call), _connected(call)) for call in self._live.copy().values()])
        self._tell_all()
        return snapshot

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call `callback` for each call that ends, in the thread that ends it and under no lock.

        Like a hook it must be quick and do no I/O. What it raises is logged to the logger ``unbroken`` and not raised
        again. Returns a function that ends the subscription.
        """
        with self._subscribing:
            self._subscribers = (*self._subscribers, callback)

        def unsubscribe() -> None:
            with self._subscribing:
                kept = list(self._subscribers)
                if callback in kept:
                    kept.remove(callback)
                self._subscribers = tuple(kept)

        return unsubscribe

    def _tell_all(self) -> None:
        # Not while this thread is adding up, as a subscriber may ask for a snapshot. It comes here again after that.
        if self._ended and not self._book.held_here:
            self._ended.drain()

    def _tell(self, ended: CallEnded) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber(ended)
            except Exception as error:  # noqa: BLE001  # it must harm neither the call nor the other subscribers
                _log.error("a subscriber of metrics failed; the call goes on", exc_info=error)


def _names(call: Call) -> Names:
    """Return the unchecked names of a call, as it is sent now. The model is searched for once per body."""
    content = call.current.content
    known = call.get(_MODEL)
    if known is None or known[0] is not content:
        known = (content, model_of(content))
        call.set(_MODEL, known)
    return call.dialect.name, known[1], call.current.origin


def _connected(call: Call) -> bool:
    """Return whether `call` has a running attempt: one that does not wait to be sent and has not failed."""
    return call.phase not in ("before", "complete") and len(call.history) < call.attempt


def _ended(call: Call, outcome: Outcome, first: float | None) -> CallEnded:
    return CallEnded(
        labels=Labels.of(_names(call)),
        status=outcome.status,
        error=None if outcome.error is None else error_name(outcome.error),
        attempts=outcome.attempts,
        duration=outcome.duration,
        time_to_first_event=first,
        events=call.events,
        bytes=call.bytes,
        usage=call.usage,
    )
