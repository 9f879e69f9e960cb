"""The versions of the conventions: the same calls under other names."""

from typing import Any

import attrs
import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

from unbroken.testing import Answer, play
from unbroken_anthropic import Anthropic
from unbroken_otel import _semconv as semconv

from .conftest import BODY, Recorded, answer

VERSIONED = {
    "1.36": {
        "gen_ai.system": "anthropic",
    },
    "stable": {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 1.0,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_creation.input_tokens": 4,
    },
    "latest": {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 1.0,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_write.input_tokens": 4,
    },
}
COMMON = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "claude-x",
    "gen_ai.request.max_tokens": 64,
    "gen_ai.usage.input_tokens": 44,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.response.id": "msg_1",
    "gen_ai.response.finish_reasons": ("end_turn",),
}
METRICS = {
    "1.36": {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"},
    "stable": {
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.operation.time_per_output_chunk",
        "gen_ai.client.token.usage",
    },
    "latest": {
        "gen_ai.client.inference.duration",
        "gen_ai.client.inference.time_to_first_chunk",
        "gen_ai.client.inference.time_per_output_chunk",
        "gen_ai.client.inference.usage.input_tokens",
        "gen_ai.client.inference.usage.output_tokens",
        "gen_ai.client.inference.usage.cache_read.input_tokens",
        "gen_ai.client.inference.usage.cache_write.input_tokens",
        "gen_ai.client.inference.operation.input_tokens",
        "gen_ai.client.inference.operation.output_tokens",
    },
}
every_version = pytest.mark.parametrize("version", semconv.VERSIONS)


@every_version
def test_a_version_has_its_own_attributes(recorded: Recorded, version: Any) -> None:
    """And none of another."""
    play([answer(1.0)], [recorded.tracing(semconv=version)], dialect=Anthropic(), json=BODY)
    found = {name: value for name, value in recorded.call.attributes.items() if name.startswith("gen_ai.")}
    assert found == COMMON | VERSIONED[version]


@every_version
def test_a_version_has_its_own_metrics(recorded: Recorded, version: Any) -> None:
    """And none of another; each has the name of the provider as that version spells it."""
    play([answer(1.0)], [recorded.metrics(semconv=version)], dialect=Anthropic(), json=BODY)
    points = recorded.points
    assert set(points) == METRICS[version]
    provider = "gen_ai.system" if version == "1.36" else "gen_ai.provider.name"
    for each in points.values():
        assert {point.attributes[provider] for point in each} == {"anthropic"}


def test_the_newest_conventions_count_tokens_apart(recorded: Recorded) -> None:
    """Counters are for sums, by modality; histograms for how they are spread, without."""
    play([answer()], [recorded.metrics(semconv="latest")], dialect=Anthropic(), json=BODY)
    points = {name.removeprefix("gen_ai.client.inference."): each for name, each in recorded.points.items()}
    counted = {name: point.value for name, [point] in points.items() if name.startswith("usage.")}
    assert counted == {
        "usage.input_tokens": 44,
        "usage.output_tokens": 7,
        "usage.cache_read.input_tokens": 30,
        "usage.cache_write.input_tokens": 4,
    }
    assert points["usage.input_tokens"][0].attributes["gen_ai.token.modality"] == "unknown"
    assert points["operation.input_tokens"][0].sum == 44
    assert "gen_ai.token.modality" not in points["operation.output_tokens"][0].attributes


def test_the_newest_conventions_want_a_zero_for_a_failed_call(recorded: Recorded) -> None:
    """So that the averages are over all operations."""
    play([Answer(status=400)], [recorded.metrics(semconv="latest")], dialect=Anthropic(), json=BODY)
    points = recorded.points
    [counted] = points["gen_ai.client.inference.usage.input_tokens"]
    [spread] = points["gen_ai.client.inference.operation.input_tokens"]
    assert (counted.value, spread.sum, spread.count) == (0, 0, 1)
    assert spread.attributes["error.type"] == "ValidationError"
    assert "error.type" not in counted.attributes


@pytest.mark.parametrize(
    ("version", "environ", "expected"),
    [
        (None, {}, "stable"),
        (None, {"OTEL_SEMCONV_STABILITY_OPT_IN": ""}, "stable"),
        (None, {"OTEL_SEMCONV_STABILITY_OPT_IN": "http"}, "stable"),
        (None, {"OTEL_SEMCONV_STABILITY_OPT_IN": "http, gen_ai_latest_experimental"}, "latest"),
        ("stable", {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}, "stable"),
        ("1.36", {}, "1.36"),
    ],
)
def test_the_environment_opts_in_where_no_setting_says_otherwise(version: Any, environ: Any, expected: Any) -> None:
    """A list of values; those of other conventions are not ours."""
    assert semconv.names(version, environ) is semconv.TABLE[expected]


def test_the_environment_is_read_when_the_plugin_is_built(recorded: Recorded, monkeypatch: Any) -> None:
    """For spans and metrics alike."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
    plugins = [recorded.tracing(), recorded.metrics()]
    monkeypatch.delenv("OTEL_SEMCONV_STABILITY_OPT_IN")
    play([answer()], plugins, dialect=Anthropic(), json=BODY)
    assert "gen_ai.usage.cache_write.input_tokens" in recorded.call.attributes
    assert "gen_ai.client.inference.duration" in recorded.points


@pytest.mark.skipif(
    not hasattr(gen_ai_attributes, "GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK"), reason="published before these names were"
)
def test_the_names_in_force_are_those_that_opentelemetry_publishes() -> None:
    """No slip of the pen: each attribute and metric of ours is a constant of theirs."""
    published = {
        value
        for module in (gen_ai_attributes, gen_ai_metrics)
        for name, value in vars(module).items()
        if name.startswith("GEN_AI_") and isinstance(value, str)
    }
    ours = {value for value in attrs.asdict(semconv.TABLE["stable"]).values() if value is not None}
    ours |= {value for value in vars(semconv).values() if isinstance(value, str) and value.startswith("gen_ai.")}
    ours |= set(semconv.NUMBERS.values())
    assert ours <= published
    assert len(ours) > 20
