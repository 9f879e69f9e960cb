"""The exposition for Prometheus. Its client library is imported when it is used, and only then needed."""

from collections.abc import Iterator
from threading import Thread
from types import ModuleType
from typing import TYPE_CHECKING, Self
from wsgiref.simple_server import WSGIServer

from unbroken import ConfigurationError, Problem

from ._families import families
from ._plugin import Metrics

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector
else:
    Collector = object  # at run time the registry asks for a `collect` alone


class PrometheusCollector(Collector):
    """What `metrics` has counted, for a registry: ``registry.register(PrometheusCollector(metrics))``.

    Nothing is counted twice: the numbers are read when the registry is scraped. Raises ConfigurationError when
    prometheus-client is not installed.
    """

    def __init__(self, metrics: Metrics) -> None:
        _client()
        self._metrics = metrics

    def collect(self) -> "Iterator[Metric]":
        """Yield every family as it is at this moment."""
        return families(self._metrics.snapshot())


class MetricsServer:
    """Serves the metrics of a process until it is closed. It is a context manager, too."""

    def __init__(self, server: WSGIServer, thread: Thread) -> None:
        self._server = server
        self._thread = thread
        self.port: int = server.server_port
        """The port, also where 0 was asked for."""

    @property
    def url(self) -> str:
        """Where Prometheus finds the metrics."""
        host = str(self._server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop serving and let go of the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_http_server(port: int, metrics: Metrics, addr: str = "127.0.0.1") -> MetricsServer:
    """Serve `metrics`, and nothing else, from a thread of its own; port 0 takes a free one.

    There is no authentication: give another `addr` only where the network is trusted. Raises OSError when the port
    cannot be had, ConfigurationError when prometheus-client is not installed.
    """
    client = _client()
    registry = client.CollectorRegistry()
    registry.register(PrometheusCollector(metrics))
    return MetricsServer(*client.start_http_server(port, addr=addr, registry=registry))


def _client() -> ModuleType:
    try:
        import prometheus_client
    except ImportError:
        needs = "needs prometheus-client: pip install 'unbroken[metrics]'"
        raise ConfigurationError.of(Problem("metrics", needs)) from None
    return prometheus_client
