"""All counts, and the records that still have to be counted.

A hook only appends a record and never waits. Records are added up in batches, or when a snapshot is taken. A hook must
not wait for the lock, because the garbage collector may end an abandoned call in the very thread that holds it.
"""

import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from attrs import define, field

from unbroken import Dialect, Inbox, RateLimitStatus, Response

from ._circuits import Circuits
from ._config import MetricsConfig
from ._labels import OTHER, Labels, Names, text_of
from ._series import Series, Success
from ._values import MetricsSnapshot, SeriesSnapshot

_ENOUGH: Final = 128
"""Records that are added up in one batch."""

_log = logging.getLogger("unbroken")


@define(eq=False)
class Book:
    """The series and circuits of one `Metrics`."""

    config: MetricsConfig
    _circuits: Circuits = field(factory=Circuits, init=False)
    _series: dict[Labels, Series] = field(factory=dict[Labels, Series], init=False)
    _known: dict[Names, Series] = field(factory=dict[Names, Series], init=False)
    """The same series by the unchecked names of calls."""
    _successes: deque[tuple[Names, Success]] = field(factory=deque[tuple[Names, Success]], init=False)
    """Successful calls that are not added up yet."""
    _inbox: Inbox = field(factory=Inbox, init=False)
    """Everything else that is not counted yet, which is rarer."""

    @property
    def held_here(self) -> bool:
        """Whether this thread is adding up at the moment."""
        return self._inbox.held_here

    def succeeded(self, names: Names, call: Success) -> None:
        """Queue a successful call; add up when there are enough."""
        self._successes.append((names, call))
        if len(self._successes) >= _ENOUGH:
            self._inbox.put(self._add_up)

    def put(self, names: Names | None, function: Callable[..., None], *arguments: Any) -> None:
        """Queue ``function(series, *arguments)`` for the series of `names`; with None for names, of the circuits."""
        self._inbox.add(self._count, names, function, arguments)
        if len(self._inbox) >= _ENOUGH:
            self._inbox.drain()

    def snapshot(self, live: Iterable[tuple[Names, bool]]) -> MetricsSnapshot:
        """Add up all records and return all counts. `live` has the calls in flight, and whether each is connected."""
        return self._inbox.do(self._snapshot, live)

    def _snapshot(self, live: Iterable[tuple[Names, bool]]) -> MetricsSnapshot:
        self._add_up()
        pairs = [(id(self._find(names)), connected) for names, connected in live]
        streams = Counter(series for series, _ in pairs)
        connections = Counter(series for series, connected in pairs if connected)
        return MetricsSnapshot(
            total=self._total().totals(streams.total(), connections.total()),
            series=tuple(
                SeriesSnapshot(
                    labels=labels,
                    totals=series.totals(streams[id(series)], connections[id(series)]),
                    rate_limits=_rate_limits(series.head),
                )
                for labels, series in self._series.items()
            ),
            circuits=self._circuits.all(),
            transitions=self._circuits.transitions(),
        )

    def _count(self, names: Names | None, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        function(self._circuits if names is None else self._find(names), *arguments)

    def _add_up(self) -> None:
        successes = self._successes
        groups: defaultdict[Names, list[Success]] = defaultdict(list)
        for _ in range(len(successes)):
            names, call = successes.popleft()
            groups[names].append(call)
        for names, calls in groups.items():
            self._find(names).calls_succeeded(calls)

    def _find(self, names: Names) -> Series:
        series = self._known.get(names)
        if series is not None:
            return series
        labels = Labels.of(names)
        if labels not in self._series and len(self._series) >= self.config.max_series:
            labels = Labels(OTHER, OTHER, OTHER)
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = Series(self.config.buckets)
        if labels == Labels(names[0], text_of(names[1]), names[2]):  # otherwise there could be any number of keys
            self._known[names] = series
        return series

    def _total(self) -> Series:
        total = Series(self.config.buckets)
        for series in self._series.values():
            total.absorb(series)
        return total


def _rate_limits(head: tuple[Dialect, Response] | None) -> tuple[RateLimitStatus, ...]:
    """Return the rate limits in the latest response; none if the dialect raises, so that a snapshot never fails."""
    if head is None:
        return ()
    dialect, response = head
    try:
        return tuple(dialect.rate_limits(response.headers, response.received_at))
    except Exception as error:  # noqa: BLE001  # a dialect is a plugin too
        _log.error("dialect %r failed in rate_limits; the rest is counted", dialect.name, exc_info=error)
        return ()
