"""The exposition: read by Prometheus' own parser, from a registry and over a socket."""

import json
import math
import subprocess
import sys
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from unbroken import ConfigurationError
from unbroken.testing import STALL, Answer, play, sse
from unbroken_anthropic import Anthropic
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_metrics import Metrics, PrometheusCollector, start_http_server
from unbroken_retry import Retry
from unbroken_timeout import Timeout

ORIGIN = "https://api.example.org:443"
STREAM = sse(("content_block_delta", {"delta": {"type": "text_delta", "text": "hi"}}), ("message_stop", "{}"))
LIMITS = {"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "7"}


@pytest.fixture
def metrics():
    """One call that is tried again, one that stalls; then the circuit is open."""
    it = Metrics()
    plugins = [it, Timeout(idle=3), Retry(initial_delay=1, jitter=0), CircuitBreaker(failure_threshold=2)]
    head = {"content-type": "text/event-stream", **LIMITS}
    script = [Answer(status=529), Answer(headers=head, latency=0.5, body=STREAM)]
    play(script, plugins, dialect=Anthropic(), json={"model": "m"})
    stalled = [Answer(headers=head, body=[STREAM[: STREAM.index(b"event: message_stop")], STALL])] * 2
    for number in range(2):
        play(stalled[number:], plugins, dialect=Anthropic(), json={"model": "m"})
    return it


def scraped(metrics):
    registry = CollectorRegistry()
    registry.register(PrometheusCollector(metrics))
    return samples(generate_latest(registry).decode())


def samples(text):
    """By name and labels, those of the series left out."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k not in {"dialect", "model", "origin"}}
            found[sample.name, *labels.values()] = sample.value
    return found


def test_the_parser_reads_what_was_counted(metrics):
    """Counters, gauges and histograms, with the numbers of the snapshot."""
    found, it = scraped(metrics), metrics.snapshot().total
    assert found["unbroken_calls_total", "success"] == it.calls["success"] == 1
    assert found["unbroken_calls_total", "failure"] == it.calls["failure"] == 2
    assert found["unbroken_attempts_total", "failure"] == 3
    assert {key[1:]: value for key, value in found.items() if key[0] == "unbroken_attempt_errors_total"} == {
        ("OverloadedError", ""): 1,
        ("TimeoutError", "idle"): 2,
    }
    assert found["unbroken_retries_total", "OverloadedError"] == 1
    assert found["unbroken_retry_delay_seconds_total",] == 1
    assert found["unbroken_stalls_total",] == 2
    assert found["unbroken_events_total",] == it.events
    assert found["unbroken_received_bytes_total",] == it.bytes
    assert found["unbroken_streams_in_flight",] == found["unbroken_connections_in_flight",] == 0
    assert found["unbroken_rate_limit_limit", "requests"] == 50
    assert found["unbroken_rate_limit_remaining", "requests"] == 7


def test_a_histogram_is_cumulative_and_complete(metrics):
    """So that `histogram_quantile` works: the buckets rise to the count, which is that of +Inf."""
    found, it = scraped(metrics), metrics.snapshot().total
    name = "unbroken_call_duration_seconds"
    buckets = {float(key[1]): value for key, value in found.items() if key[0] == f"{name}_bucket"}
    assert list(buckets) == sorted(buckets)
    assert list(buckets.values()) == sorted(buckets.values())
    assert buckets[math.inf] == found[f"{name}_count",] == it.duration.count == 3
    assert found[f"{name}_sum",] == it.duration.sum == 1.5 + 3.0 + 3.0
    assert (buckets[1.0], buckets[2.5], buckets[5.0]) == (0, 1, 3)


def test_a_circuit_is_in_exactly_one_state(metrics):
    """1 for it, 0 for the others."""
    found = scraped(metrics)
    states = {key[3]: value for key, value in found.items() if key[0] == "unbroken_circuit_state"}
    assert states["open"] == sum(states.values()) == 1
    assert set(states) == {"closed", "open", "half_open", "forced_open", "disabled", "metrics_only"}
    assert found["unbroken_circuit_transitions_total", "default", "closed", ORIGIN, "open"] == 1


def test_every_series_has_the_three_labels_and_no_other_of_its_own(metrics):
    """Never one per request or user; circuits belong to no series."""
    registry = CollectorRegistry()
    registry.register(PrometheusCollector(metrics))
    allowed = {"outcome", "error", "timeout", "reason", "plugin", "kind", "source", "le", "quantile"}
    for family in registry.collect():
        for sample in family.samples:
            if family.name.startswith("unbroken_circuit"):
                assert set(sample.labels) <= {"circuit", "key", "state", "from", "to"}
            else:
                assert set(sample.labels) - allowed == {"dialect", "model", "origin"}


@pytest.mark.parametrize("made", [Metrics], ids=["empty"])
def test_names_follow_the_rules(made):
    """One prefix, base units, `_total` for counters; and a family is there before it has samples."""
    families = list(PrometheusCollector(made()).collect())
    assert len(families) == 22
    for family in families:
        assert family.name.startswith("unbroken_")
        assert family.documentation.endswith(".")
        assert not any(unit in family.name for unit in ("_ms", "millis", "minutes", "_kb"))


def test_the_server_serves_until_it_is_closed(metrics):
    """On a free port of this machine alone, unless asked otherwise."""
    with start_http_server(0, metrics) as server:
        assert server.url == f"http://127.0.0.1:{server.port}/metrics"
        text = urllib.request.urlopen(server.url, timeout=10).read().decode()
        assert samples(text)["unbroken_calls_total", "success"] == 1
        with pytest.raises(OSError, match="in use"):
            start_http_server(server.port, metrics)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(server.url, timeout=10)


def test_several_metrics_can_be_in_one_registry():
    """As those of one process; the application labels them apart if it has to."""
    registry = CollectorRegistry()
    registry.register(PrometheusCollector(Metrics()))
    assert b"unbroken_calls_total" in generate_latest(registry)


def test_a_snapshot_is_ready_for_json(metrics):
    """Plain values all the way down, with the rates."""
    document = json.loads(json.dumps(metrics.snapshot().to_dict()))
    assert document["total"]["success_rate"] == pytest.approx(1 / 3)
    assert document["total"]["attempt_errors"] == {"OverloadedError": 1, "TimeoutError:idle": 2}
    assert document["series"][0]["labels"] == {"dialect": "anthropic", "model": "m", "origin": ORIGIN}
    assert document["series"][0]["rate_limits"][0]["remaining"] == 7
    assert document["circuits"][0]["states"] == ["open"]
    assert document["transitions"][0]["count"] == 1


def test_the_client_library_is_imported_only_when_it_is_used():
    """Counting needs neither Prometheus nor an HTTP server."""
    code = (
        "import sys, unbroken_metrics as m; m.Metrics().snapshot();"
        "print(sorted({'prometheus_client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("use", [PrometheusCollector, lambda it: start_http_server(0, it)], ids=["collector", "server"])
def test_without_the_client_library_it_says_what_to_install(monkeypatch, use):
    """One clear line, when it is asked for."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigurationError, match=r"needs prometheus-client: pip install 'unbroken\[metrics\]'"):
        use(Metrics())
