"""The demonstration from its first line to its last."""

import json
import sys
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from unbroken_faults import FaultServer

from .._console import console
from ._block import LEGEND
from ._report import Report
from ._run import SETTINGS, Runner
from ._scenarios import SCENARIOS, Scenario
from ._screen import Screen, Silent, screen

if TYPE_CHECKING:
    from unbroken_metrics import Metrics


def run_demo(
    scenarios: Sequence[Scenario] = SCENARIOS,
    *,
    seed: int = 0,
    use_async: bool = False,
    as_json: bool = False,
    metrics: bool = False,
) -> bool:
    """Run the rows, show them as they run, report. Returns whether every row ended as required.

    Raises ConfigurationError when `metrics` are wanted and their packages are missing.
    """
    counted = _counting() if metrics else None
    if as_json:
        report = _run(scenarios, Silent(), seed, use_async, counted)
        sys.stdout.write(json.dumps(report.document(), indent=2, ensure_ascii=False) + "\n")
        return report.ok
    out = console()
    _introduce(out, use_async)
    with screen(out) as shown:
        report = _run(scenarios, shown, seed, use_async, counted)
    report.show(out)
    if report.ok:
        _suggest(out)
    return report.ok


def _counting() -> "Metrics":
    from unbroken_metrics import Metrics, PrometheusCollector

    metrics = Metrics()
    PrometheusCollector(metrics)  # the table is made of it: if it cannot be had, that is said now
    return metrics


def _run(scenarios: Sequence[Scenario], shown: Screen, seed: int, use_async: bool, metrics: "Metrics | None") -> Report:
    started = monotonic()
    with FaultServer(seed=seed) as server:
        trials = Runner(server, use_async, metrics).run(scenarios, shown.begin)
    return Report(trials=trials, seconds=monotonic() - started, seed=seed, use_async=use_async, metrics=metrics)


def _introduce(out: Console, use_async: bool) -> None:
    client = "AsyncClient" if use_async else "Client"
    wrap = not out.is_terminal
    out.print(Text.assemble(("Unbroken", "bold cyan"), " against a server that fails, over real sockets"))
    out.print(Text(f"unbroken.{client}(plugins=[{SETTINGS}])", "dim"), soft_wrap=wrap)
    out.print(Text(LEGEND, "dim"), soft_wrap=wrap)


def _suggest(out: Console) -> None:
    words = "Next: unbroken explain, unbroken plugins, unbroken faults, unbroken stream URL; all have --help."
    out.print(Text(words, "dim"), soft_wrap=not out.is_terminal)
