"""The contract of plugin authors, with a real SDK behind the plugins."""

from typing import Any

import pytest

from unbroken.testing import check_plugin

from .conftest import Recorded


@pytest.mark.parametrize(
    "values",
    [{}, {"operation_name": "chat", "capture_content": True}, {"semconv": "latest"}],
    ids=["defaults", "everything", "latest"],
)
def test_tracing_keeps_the_contract(values: dict[str, Any]) -> None:
    """In every ending, between all neighbours, in threads; each span that began has ended."""
    recorded: list[Recorded] = []

    def make() -> object:
        recorded.append(Recorded())
        return recorded[-1].tracing(**values)

    check_plugin(make, held=lambda plugin: recorded[-1].open_spans)
    assert sum(len(each.spans) for each in recorded) > 100


@pytest.mark.parametrize("version", ["1.36", "stable", "latest"])
def test_metrics_keep_the_contract(version: Any) -> None:
    """The same, for each version of the names."""
    check_plugin(lambda: Recorded().metrics(semconv=version, operation_name="chat"))
