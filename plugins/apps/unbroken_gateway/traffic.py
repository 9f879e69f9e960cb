"""What one process knows of its calls, for display and metrics.

It decides nothing, and costs a few microseconds per call: percentiles and rates are worked out when somebody looks.
"""

from bisect import bisect_left
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import asdict, define, field, frozen

from unbroken.clock import Clock, SystemClock

from .replies.errors import Problem
from .values import AuditEnd

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from unbroken_metrics import Metrics

Phase = Literal["body", "waiting", "before headers", "before first event", "streaming", "draining"]
PHASES: Final[tuple[Phase, ...]] = (
    "body",
    "waiting",
    "before headers",
    "before first event",
    "streaming",
    "draining",
)
BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0),
)
"""Upper bounds in seconds of the histograms."""
OTHER: Final = "other"
_MOST_NAMES: Final = 100
"""Different names that are counted separately; all others are one: ``other``."""
_RECENT_CALLS: Final = 2000
_RECENT_SECONDS: Final = 300.0
_HISTORY: Final = 60
"""Seconds of the rate."""
_SHOWN: Final = 100
"""Calls under way, and alerts, that a snapshot has."""
_MOST_USERS: Final = 1000


@define(eq=False, kw_only=True)
class Entry:
    """A call under way. Its attributes may be set as they become known."""

    request_id: str
    user: str
    route: str
    """The path in the table of routes, not that of the request."""
    upstream: str = ""
    model: str = ""
    phase: Phase = "body"
    count: Callable[[], int] = field(default=lambda: 0, repr=False)
    """Returns the tokens used so far, estimated or counted."""
    started_at: float
    """Monotonic seconds."""
    _traffic: "Traffic" = field(alias="traffic", repr=False)

    @property
    def tokens(self) -> int:
        """The tokens used so far."""
        return self.count()

    def end(self, row: AuditEnd) -> None:
        """Count the call as ended. A second time changes nothing."""
        self._traffic.ended(self, row)


@frozen(kw_only=True)
class Alert:
    """Something that the operator must mend."""

    at: float
    """Unix seconds."""
    problem: str
    upstream: str
    request_id: str


@define(eq=False)
class Histogram:
    """Times in seconds."""

    counts: list[int] = field(factory=lambda: [0] * (len(BUCKETS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a time."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> Iterator[tuple[str, float]]:
        """Yield upper bounds and cumulative counts, as Prometheus wants them."""
        bounds = (*(repr(bound) for bound in BUCKETS), "+Inf")
        return zip(bounds, map(float, accumulate(self.counts)), strict=True)


class Traffic:
    """The calls of one process. `metrics` is the plugin in its clients; it knows the circuits."""

    def __init__(self, *, metrics: "Metrics | None" = None, clock: Clock | None = None) -> None:
        self.metrics = metrics
        self._clock = clock or SystemClock()
        self._since = self._clock.monotonic()
        self._open: dict[str, Entry] = {}
        """The calls under way by the id of their request."""
        self._recent: deque[tuple[float, float, float | None]] = deque(maxlen=_RECENT_CALLS)
        """When calls ended, their durations, and their times to the first content."""
        self._seconds: OrderedDict[int, int] = OrderedDict()
        """The requests that began in each second, of which there are few."""
        self._plans: OrderedDict[str, str] = OrderedDict()
        self.alerts: deque[Alert] = deque(maxlen=_SHOWN)
        self.began = 0
        self.calls: Counter[tuple[str, str, str]] = Counter()
        """Calls that have ended, by route, upstream and ending."""
        self.errors: Counter[str] = Counter()
        """Calls that ended with an error, and requests that were refused, by the name of the error."""
        self.refusals: Counter[str] = Counter()
        """Requests that were refused before they became calls, by the name of the problem."""
        self.alerted: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        """Failures of parts of the gateway, such as ``state``, by part."""
        self.tokens: Counter[str] = Counter()
        self.micro_usd = 0
        self.duration = Histogram()
        self.first_byte = Histogram()

    def collector(self) -> "Collector | None":
        """Return what exports the metrics of the clients to Prometheus, if there are any."""
        if self.metrics is None:
            return None
        from unbroken_metrics import PrometheusCollector

        return PrometheusCollector(self.metrics)

    def begin(
        self, request_id: str, user: str, route: str, upstream: str = "", model: str = "", *, plan: str = ""
    ) -> Entry:
        """Note a call of `user`; call `end` on what this returns, on every path."""
        entry = Entry(
            request_id=request_id,
            user=user,
            route=route,
            upstream=upstream,
            model=model,
            started_at=self._clock.monotonic(),
            traffic=self,
        )
        self._open[request_id] = entry
        self._count(entry.started_at)
        if plan:
            self._plans[user] = plan
            self._plans.move_to_end(user)
            if len(self._plans) > _MOST_USERS:
                self._plans.popitem(last=False)
        return entry

    def reached(self, request_id: str, phase: Phase) -> None:
        """Note the phase of a call under way."""
        entry = self._open.get(request_id)
        if entry is not None:
            entry.phase = phase

    def refused(self, problem: Problem) -> None:
        """Count a request that was answered with `problem` and was never a call."""
        self._count(self._clock.monotonic())
        self.refusals[_bounded(self.refusals, problem.name)] += 1
        self.errors[_bounded(self.errors, problem.name)] += 1

    def alert(self, problem: Problem, *, upstream: str = "", request_id: str = "") -> None:
        """Tell the operator of a problem that only the operator can mend."""
        self.alerted[_bounded(self.alerted, problem.name)] += 1
        self.alerts.append(Alert(at=self._clock.time(), problem=problem.name, upstream=upstream, request_id=request_id))

    def failed(self, part: str) -> None:
        """Count a failure of a part of the gateway: ``state``, ``audit``, ``jwks``, ``streams``."""
        self.failures[_bounded(self.failures, part)] += 1

    def ended(self, entry: Entry, row: AuditEnd) -> None:
        """Count the end of a call; `Entry.end` is the way here."""
        if self._open.get(entry.request_id) is not entry:
            return
        del self._open[entry.request_id]
        now = self._clock.monotonic()
        duration = now - entry.started_at
        self._recent.append((now, duration, row.first_byte))
        self.duration.add(duration)
        if row.first_byte is not None:
            self.first_byte.add(row.first_byte)
        self.calls[_bounded(self.calls, (entry.route, entry.upstream, row.ending), (OTHER, OTHER, row.ending))] += 1
        if row.error:
            self.errors[_bounded(self.errors, row.error)] += 1
        counted = {"input": row.input_tokens, "output": row.output_tokens, "estimated": row.estimated_tokens}
        cached = {"cache_read": row.cache_read_tokens, "cache_write": row.cache_write_tokens}
        self.tokens.update({kind: number for kind, number in {**counted, **cached}.items() if number})
        self.micro_usd += row.micro_usd

    def plan_of(self, user: str) -> str:
        """Return the plan with which a user came last; empty if this process has not seen the user."""
        return self._plans.get(user, "")

    def phases(self) -> dict[str, int]:
        """Return how many calls are in each phase."""
        found = Counter(entry.phase for entry in self._open.values())
        return {phase: found[phase] for phase in PHASES}

    def snapshot(self) -> dict[str, Any]:
        """Return everything for display, as plain values that can be encoded as JSON. Times are seconds."""
        now = self._clock.monotonic()
        history = self._history(now)
        recent = [each for each in self._recent if now - each[0] <= _RECENT_SECONDS]
        calls = islice(reversed(self._open.values()), _SHOWN)
        circuits = () if self.metrics is None else self.metrics.snapshot().circuits
        endings: Counter[str] = Counter()
        for (_, _, ending), number in self.calls.items():
            endings[ending] += number
        return {
            "at": self._clock.time(),
            "uptime": now - self._since,
            "requests": self.began,
            "per_second": sum(history[-10:]) / 10,
            "per_minute": sum(history),
            "history": history,
            "under_way": len(self._open),
            "phases": self.phases(),
            "calls": [_shown(entry, now) for entry in calls],
            "endings": dict(endings),
            "recent": {"calls": len(recent), "seconds": _RECENT_SECONDS},
            "duration": percentiles([duration for _, duration, _ in recent]),
            "first_byte": percentiles([first for _, _, first in recent if first is not None]),
            "errors": dict(self.errors.most_common()),
            "failures": dict(self.failures),
            "circuits": [asdict(circuit) for circuit in circuits],
            "tokens": dict(self.tokens),
            "micro_usd": self.micro_usd,
            "alerts": [asdict(alert) for alert in reversed(self.alerts)],
        }

    def _count(self, now: float) -> None:
        self.began += 1
        second = int(now)
        self._seconds[second] = self._seconds.get(second, 0) + 1
        if len(self._seconds) > _HISTORY + 1:
            self._seconds.popitem(last=False)

    def _history(self, now: float) -> list[int]:
        """Return the requests that began in each of the last 60 whole seconds, the newest last."""
        return [self._seconds.get(second, 0) for second in range(int(now) - _HISTORY, int(now))]


def percentiles(times: Iterable[float]) -> dict[str, float | None]:
    """Return p50, p95 and p99 by nearest rank; None without times."""
    ordered: Sequence[float] = sorted(times)
    if not ordered:
        return {"p50": None, "p95": None, "p99": None}
    return {f"p{rank}": ordered[-(-len(ordered) * rank // 100) - 1] for rank in (50, 95, 99)}


def _shown(entry: Entry, now: float) -> dict[str, Any]:
    names = ("request_id", "user", "route", "upstream", "model", "phase", "tokens")
    return {**{name: getattr(entry, name) for name in names}, "seconds": now - entry.started_at}


def _bounded(counter: Counter[Any], name: Any, other: Any = OTHER) -> Any:
    """Return `name`, or `other` when there are too many names already."""
    return name if name in counter or len(counter) < _MOST_NAMES else other
