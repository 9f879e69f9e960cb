"""Every built-in plugin is held to the contract that every other plugin is held to."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pytest

from unbroken import Plugin
from unbroken._engine.hooks import HOOKS, compile_hooks
from unbroken.testing import check_plugin
from unbroken_fallback import Target
from unbroken_logging._queue import close_all

BUILT_IN = [
    entry for entry in entry_points(group="unbroken.plugins") if entry.dist is None or entry.dist.name == "unbroken"
]

# What a plugin needs beyond its defaults, so that all of it is exercised; the first is the defaults if it has any.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "fallback": [
        {"targets": [Target(url="https://eu.example.net", body={"model": "m"}, keys=[{"k": "a"}, {"k": "b"}])]},
        {"targets": [Target(headers={"x-region": "eu"}), Target(body={"n": 1})], "cooldown": 1},
        {"targets": [Target(body={"n": 1})], "shadow": True},
    ],
    "logging": [{}, {"events": True, "level": "DEBUG"}],
    "metrics": [{}, {"max_series": 1, "buckets": (1, 2.5)}],
    "otel-metrics": [{}, {"operation_name": "chat", "semconv": "latest"}],
    "otel-tracing": [{}, {"operation_name": "chat", "capture_content": True}],
    "retry": [{}, {"max_retries": 5, "jitter_kind": "full"}, {"retry_local": True}],
    "timeout": [{}, {"total": 20, "count_keepalives": True}],
    "rate-limit": [
        {},
        {"requests": 2, "tokens": 100_000},
        {"requests": 1, "max_wait": 0},
        {"tokens": 1, "max_wait": 0},
    ],
    "circuit-breaker": [
        {},
        {"failure_threshold": 1},
        {"failure_threshold": 1, "half_open_success_threshold": 1},
        {"initial_state": "forced_open"},
    ],
}

# What a plugin has handed out.
HELD: dict[str, Callable[[Any], int]] = {
    "metrics": lambda plugin: plugin.snapshot().total.streams_in_flight,
    "circuit-breaker": lambda plugin: sum(it.in_flight + it.probes for it in plugin.snapshot().values()),
    "rate-limit": lambda plugin: sum(it.waiting + it.in_flight for it in plugin.snapshot().values()),
}

every_plugin = pytest.mark.parametrize(
    ("entry", "values"),
    [
        pytest.param(entry, values, id=f"{entry.name}-{number}")
        for entry in BUILT_IN
        for number, values in enumerate(VARIANTS.get(entry.name, [{}]))
    ],
)


def maker(entry: EntryPoint, values: dict[str, Any]) -> Callable[[], Plugin]:
    cls = entry.load()
    return lambda: cls(**values)


def test_the_built_in_plugins_are_found() -> None:
    """Or nothing would be tested here."""
    assert {entry.name for entry in BUILT_IN} == {*VARIANTS}


@every_plugin
def test_a_built_in_plugin_keeps_the_contract(
    entry: EntryPoint, values: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """No privilege: the same check that a third party runs. (What `logging` prints is not looked at.)"""
    try:
        check_plugin(maker(entry, values), held=HELD.get(entry.name))
    finally:
        close_all()  # while there is somewhere to print to


@every_plugin
def test_a_built_in_plugin_is_named_as_it_is_registered(entry: EntryPoint, values: dict[str, Any]) -> None:
    """In lists, in messages and among the decisions it has one name; its configuration can be had."""
    plugin = maker(entry, values)()
    assert plugin.name == entry.name
    assert isinstance(plugin.config, plugin.Config)
    assert type(plugin).from_config(plugin.config).config == plugin.config


@every_plugin
def test_a_built_in_plugin_acts_somewhere(entry: EntryPoint, values: dict[str, Any]) -> None:
    """Every one has a hook, and the pipeline says which."""
    hooks = compile_hooks([maker(entry, values)()])
    assert entry.name in hooks.describe().partition("\n")[2]
    assert all(name == entry.name for hook in HOOKS for _, name in getattr(hooks, hook))
