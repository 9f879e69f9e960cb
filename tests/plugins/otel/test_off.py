"""Without an SDK, and without the API: what is not there costs next to nothing, or says what it needs."""

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from unbroken._engine.hooks import compile_hooks
from unbroken.testing import Answer, play
from unbroken_anthropic import Anthropic
from unbroken_otel import OTelMetrics, OTelTracing, _request
from unbroken_retry import Retry

from .conftest import BODY, answer


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_package_imports_nothing_of_the_sdk() -> None:
    """Which SDK there is, and whether, is for the application to say."""
    done = run("import sys, unbroken_otel\nprint(*(name for name in sys.modules if name.startswith('opentelemetry')))")
    loaded = done.stdout.split()
    assert "opentelemetry.trace" in loaded
    assert [name for name in loaded if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))] == []


def test_without_the_api_the_error_names_the_extra() -> None:
    """Whoever lists the plugin by its name gets it as a problem of the configuration."""
    done = run(
        "import sys\nsys.modules['opentelemetry'] = None\n"
        "import unbroken\n"
        "try: unbroken.Client(['otel-tracing'])\n"
        "except unbroken.ConfigurationError as error: print(error)"
    )
    assert "unbroken_otel needs opentelemetry-api: pip install 'unbroken[otel]'" in done.stdout
    assert "otel-tracing" in done.stdout


def test_a_part_of_opentelemetry_that_is_broken_is_not_called_missing() -> None:
    """The error of what it needs itself is left alone."""
    done = run("import sys\nsys.modules['contextvars'] = None\nimport unbroken_otel._api")
    assert done.returncode != 0
    assert "unbroken[otel]" not in done.stderr


@pytest.mark.parametrize(
    "plugin",
    [
        pytest.param(lambda: OTelTracing(), id="no tracer provider"),
        pytest.param(lambda: OTelTracing(tracer_provider=TracerProvider(sampler=ALWAYS_OFF)), id="not sampled"),
        pytest.param(lambda: OTelMetrics(), id="no meter provider"),
        pytest.param(lambda: OTelMetrics(meter_provider=NoOpMeterProvider()), id="a provider that measures nothing"),
    ],
)
def test_no_body_is_read_for_nobody(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long prompt takes a while to decode."""

    def read(content: bytes) -> Any:
        raise AssertionError("decoded for nobody")

    monkeypatch.setattr(_request, "_decode", read)
    played = play([Answer(status=503), answer()], [plugin(), Retry()], dialect=Anthropic(), json=BODY)
    assert played.error is None
    assert played.attempts == 2


def test_the_body_is_read_once_for_both_plugins(recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many attempts there are."""
    decode, read = _request._decode, []

    def counted(content: bytes) -> Any:
        read.append(content)
        return decode(content)

    monkeypatch.setattr(_request, "_decode", counted)
    plugins = [recorded.tracing(), recorded.metrics(), Retry()]
    play([Answer(status=503), answer()], plugins, dialect=Anthropic(), json=BODY)
    assert len(read) == 1


def test_an_event_costs_nothing() -> None:
    """No plugin has a hook that is called for each."""
    hooks = compile_hooks([OTelTracing(), OTelMetrics()])
    assert hooks.on_event == ()
    assert hooks.on_event_by_type == {}
    assert hooks.on_commit == ()
    assert hooks.on_response == ()


def test_a_provider_that_is_set_later_is_used() -> None:
    """A client may be built before the application sets up its telemetry."""
    done = run(
        "from opentelemetry import metrics, trace\n"
        "from opentelemetry.sdk.metrics import MeterProvider\n"
        "from opentelemetry.sdk.metrics.export import InMemoryMetricReader\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import SimpleSpanProcessor\n"
        "from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter\n"
        "from unbroken.testing import Answer, play, sse\n"
        "from unbroken_otel import OTelMetrics, OTelTracing\n"
        "plugins = [OTelTracing(), OTelMetrics(operation_name='chat')]\n"
        "call = lambda: play([Answer(body=sse('x'))], plugins)\n"
        "call()\n"
        "exporter, reader, provider = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()\n"
        "provider.add_span_processor(SimpleSpanProcessor(exporter))\n"
        "trace.set_tracer_provider(provider)\n"
        "metrics.set_meter_provider(MeterProvider([reader]))\n"
        "call()\n"
        "print(*(span.name for span in exporter.get_finished_spans()))\n"
        "[metric] = [metric for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics\n"
        "    if metric.name == 'gen_ai.client.operation.duration']\n"
        "print(metric.data.data_points[0].count)\n"
    )
    assert done.stdout.split() == ["POST", "POST", "1"], done.stderr
