"""The course of `unbroken demo`: introduce, run the rows, show them, report."""

import json
import sys
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from unbroken_faults import FaultServer

from .._console import console
from ._report import Report
from ._run import SETTINGS, Runner
from ._scenarios import SCENARIOS, Scenario
from ._screen import LEGEND, Screen, Silent, screen

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
    """Run the rows and report. Returns whether every row ended as required.

    Raises ConfigurationError when `metrics` is true and the packages for it are missing.
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


def chosen(names: Sequence[str] | None, rows: Sequence[Scenario]) -> list[Scenario]:
    """Return the rows with these names, in the order of `rows`; all of them without names. Raises BadParameter."""
    known = [row.name for row in rows]
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(f"there is no row {name!r}; there are {', '.join(known)}", param_hint="--only")
    return [row for row in rows if not names or row.name in names]


def _counting() -> "Metrics":
    from unbroken_metrics import Metrics, PrometheusCollector

    metrics = Metrics()
    PrometheusCollector(metrics)  # the report needs it: raise now, not after the last row
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
