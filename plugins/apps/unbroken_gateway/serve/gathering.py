"""The traffic of several workers as one: what each reports, and the sums that the admin port shows."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import asdict

from ..traffic import Alert, Entry, Histogram, Traffic

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector
else:
    Collector = object

Report = Mapping[str, Any]
"""Everything that one worker knows, as plain values. Its numbers are totals since the worker started."""

_COUNTERS: Final = ("errors", "refusals", "alerted", "failures", "tokens")
_SUMS: Final = ("began", "micro_usd")
_MOST_REPORTS: Final = 64
_HISTOGRAMS: Final = ("duration", "first_byte")


def report(traffic: Traffic) -> dict[str, Any]:
    """Return what a worker reports. Monotonic times are those of the machine, so they go together."""
    clients = traffic.collector()
    circuits = () if traffic.metrics is None else traffic.metrics.snapshot().circuits
    return {
        **{name: dict(getattr(traffic, name)) for name in _COUNTERS},
        **{name: getattr(traffic, name) for name in _SUMS},
        **{name: asdict(getattr(traffic, name)) for name in _HISTOGRAMS},
        "calls": [[*key, number] for key, number in traffic.calls.items()],
        "open": [_entry(entry) for entry in list(traffic._open.values())],
        "recent": [list(each) for each in traffic._recent],
        "seconds": list(traffic._seconds.items()),
        "plans": dict(traffic._plans),
        "alerts": [asdict(alert) for alert in traffic.alerts],
        "circuits": [asdict(circuit) for circuit in circuits],
        "families": "" if clients is None else _text(clients),
    }


class Gathered(Traffic):
    """The sum of all workers. The totals of a worker that has ended stay."""

    def __init__(self) -> None:
        super().__init__()
        self._reports: dict[int, Report] = {}

    def take(self, worker: int, given: Report) -> None:
        """Take the newest report of a worker."""
        self._reports[worker] = given
        self._sum()

    def ended_worker(self, worker: int) -> None:
        """Note that a worker has ended: it has no calls under way any more."""
        if worker in self._reports:
            self._reports[worker] = {**self._reports[worker], "open": [], "circuits": [], "recent": []}
            if len(self._reports) > _MOST_REPORTS:
                del self._reports[next(iter(self._reports))]
            self._sum()

    def snapshot(self) -> dict[str, Any]:
        """Return everything for display, with the circuits of all workers."""
        circuits = [circuit for each in self._reports.values() for circuit in each["circuits"]]
        return {**super().snapshot(), "circuits": circuits}

    def collector(self) -> "Collector":
        """Return what exports the metrics of the clients of all workers, summed."""
        return Families([cast("str", each["families"]) for each in self._reports.values()])

    def _entry(self, tokens: int, **facts: Any) -> Entry:
        return Entry(**facts, count=lambda: tokens, traffic=self)

    def _sum(self) -> None:
        reports = list(self._reports.values())
        for name in _COUNTERS:
            setattr(self, name, _total(each[name] for each in reports))
        for name in _SUMS:
            setattr(self, name, sum(each[name] for each in reports))
        for name in _HISTOGRAMS:
            counts = [sum(column) for column in zip(*(each[name]["counts"] for each in reports), strict=True)]
            setattr(self, name, Histogram(counts=counts, sum=sum(each[name]["sum"] for each in reports)))
        self.calls = _total({(r, u, e): n for r, u, e, n in each["calls"]} for each in reports)
        self._open = {entry["request_id"]: self._entry(**entry) for entry in _all(reports, "open")}
        self._recent = deque(sorted(map(tuple, _all(reports, "recent"))), maxlen=self._recent.maxlen)
        seconds = _total(dict(each["seconds"]) for each in reports)
        self._seconds = OrderedDict(sorted(seconds.items()))
        for each in reports:
            self._plans.update(each["plans"])
        alerts = sorted(_all(reports, "alerts"), key=lambda alert: alert["at"])
        self.alerts = deque((Alert(**alert) for alert in alerts), maxlen=self.alerts.maxlen)


class Families(Collector):
    """Sums families that several processes wrote as text."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def collect(self) -> "Iterator[Metric]":
        """Yield each family with the sums of its samples."""
        from prometheus_client.parser import text_string_to_metric_families

        found: dict[str, Metric] = {}
        for text in self._texts:
            for family in text_string_to_metric_families(text):
                if family.name in found:
                    found[family.name].samples = _summed([*found[family.name].samples, *family.samples])
                else:
                    found[family.name] = family
        yield from found.values()


def _text(clients: "Collector") -> str:
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(clients)
    return generate_latest(registry).decode()


def _summed(samples: list[Any]) -> list[Any]:
    sums: dict[Any, Any] = {}
    for sample in samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        sums[key] = sample if key not in sums else sample._replace(value=sums[key].value + sample.value)
    return list(sums.values())


def _entry(entry: Entry) -> dict[str, Any]:
    names = ("request_id", "user", "route", "upstream", "model", "phase", "tokens", "started_at")
    return {name: getattr(entry, name) for name in names}


def _total(counts: "Iterator[Mapping[Any, int]] | Any") -> Counter[Any]:
    total: Counter[Any] = Counter()
    for each in counts:
        total.update(each)
    return total


def _all(reports: list[Report], name: str) -> list[Any]:
    return [each for report in reports for each in report[name]]
