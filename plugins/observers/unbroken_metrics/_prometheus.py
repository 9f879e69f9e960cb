"""The export to Prometheus. Its client library is imported on first use, and not needed before."""

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
    """Exports the counts of `metrics` to a registry: ``registry.register(PrometheusCollector(metrics))``.

    It keeps no counts of its own: they are read when the registry is scraped. Raises ConfigurationError if
    prometheus-client is not installed.
    """

    def __init__(self, metrics: Metrics) -> None:
        _client()
        self._metrics = metrics

    def collect(self) -> "Iterator[Metric]":
        """Yield every metric family with its present samples."""
        return families(self._metrics.snapshot())


class MetricsServer:
    """Serves the metrics of a process until it is closed. Also a context manager."""

    def __init__(self, server: WSGIServer, thread: Thread) -> None:
        self._server = server
        self._thread = thread
        self.port: int = server.server_port
        """The port that is served, even if 0 was asked for."""

    @property
    def url(self) -> str:
        """The URL of the metrics."""
        host = str(self._server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop serving and close the socket."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_http_server(port: int, metrics: Metrics, addr: str = "127.0.0.1") -> MetricsServer:
    """Serve `metrics`, and nothing else, in a new thread. Port 0 chooses a free port.

    There is no authentication, so pass another `addr` only in a trusted network. Raises OSError if the port is not
    available, ConfigurationError if prometheus-client is not installed.
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
