"""The traffic of several workers as one."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from unbroken_gateway.admin import metrics
from unbroken_gateway.audit import AuditStatus
from unbroken_gateway.serve.gathering import Gathered, report
from unbroken_gateway.traffic import Traffic

from ..operator import TROUBLE, ended

STATUS = AuditStatus(written=0, failures=0, dropped=0, lost=0, waiting=0)


class Clients(Collector):
    """The metrics of the clients of a worker."""

    def __init__(self, calls: int) -> None:
        self._calls = calls

    def collect(self) -> Iterator[Metric]:
        """Yield one family."""
        family = CounterMetricFamily("unbroken_calls", "Calls.", labels=["origin"])
        family.add_metric(["https://up.example"], self._calls)
        yield family


class Working(Traffic):
    """The traffic of a worker whose clients made some calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._clients = Clients(calls)
        for number in range(calls):
            self.begin(f"r{number}", "keys|alice", "/v1/messages", "claude", plan="free").end(ended(f"r{number}"))
        self.begin("open", "keys|alice", "/v1/messages", "claude", plan="free")

    def collector(self) -> Collector:
        """Return the metrics of the clients."""
        return self._clients


def sent(traffic: Traffic) -> Any:
    """Return the report of a worker as its parent gets it."""
    return msgspec.json.decode(msgspec.json.encode(report(traffic)))


@pytest.fixture
def gathered() -> Gathered:
    """Two workers with two and three calls, and one call under way in each."""
    together = Gathered()
    for number, calls in enumerate((2, 3)):
        worker = Working(calls)
        worker.alert(TROUBLE, upstream="claude", request_id="r0")
        together.take(number, sent(worker))
    return together


def text(traffic: Traffic) -> str:
    return metrics.text(traffic, lambda: STATUS)[0].decode()


def test_the_counts_of_all_workers_are_summed(gathered: Gathered) -> None:
    """Also when a worker reports again, which has totals."""
    for _ in range(2):
        assert sum(gathered.calls.values()) == 5
        assert gathered.began == 7
        gathered.take(1, sent(Working(3)))


def test_the_alerts_of_all_workers_are_shown(gathered: Gathered) -> None:
    assert [alert.request_id for alert in gathered.alerts] == ["r0", "r0"]


def test_the_metrics_of_the_clients_of_all_workers_are_summed(gathered: Gathered) -> None:
    """Beside those of the gateway, under the names that one process has."""
    assert 'unbroken_calls_total{origin="https://up.example"} 5.0' in text(gathered)
    assert 'unbroken_calls_total{origin="https://up.example"} 2.0' in text(Working(2))


def test_the_totals_of_a_worker_that_has_ended_stay(gathered: Gathered) -> None:
    """Its calls under way are gone with it."""
    gathered.ended_worker(1)
    assert sum(gathered.calls.values()) == 5
    assert 'unbroken_calls_total{origin="https://up.example"} 5.0' in text(gathered)
    assert len(gathered._open) == 1


def test_without_a_worker_there_is_nothing() -> None:
    """A parent is asked before its workers report."""
    registry = CollectorRegistry()
    registry.register(Gathered().collector())
    assert generate_latest(registry) == b""
