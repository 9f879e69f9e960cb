"""The demonstration from its first line to its last."""

import json
import sys
from collections.abc import Sequence
from time import monotonic

from rich.console import Console
from rich.text import Text

from penstock_faults import FaultServer

from .._console import console
from ._block import LEGEND
from ._report import Report
from ._run import SETTINGS, Runner
from ._scenarios import SCENARIOS, Scenario
from ._screen import Screen, Silent, screen


def run_demo(
    scenarios: Sequence[Scenario] = SCENARIOS,
    *,
    seed: int = 0,
    use_async: bool = False,
    as_json: bool = False,
) -> bool:
    """Run the rows, show them as they run, report. Returns whether every row ended as required."""
    if as_json:
        report = _run(scenarios, Silent(), seed, use_async)
        sys.stdout.write(json.dumps(report.document(), indent=2, ensure_ascii=False) + "\n")
        return report.ok
    out = console()
    _introduce(out, use_async)
    with screen(out) as shown:
        report = _run(scenarios, shown, seed, use_async)
    report.show(out)
    if report.ok:
        _suggest(out)
    return report.ok


def _run(scenarios: Sequence[Scenario], shown: Screen, seed: int, use_async: bool) -> Report:
    started = monotonic()
    with FaultServer(seed=seed) as server:
        trials = Runner(server, use_async).run(scenarios, shown.begin)
    return Report(trials=trials, seconds=monotonic() - started, seed=seed, use_async=use_async)


def _introduce(out: Console, use_async: bool) -> None:
    client = "AsyncClient" if use_async else "Client"
    wrap = not out.is_terminal
    out.print(Text.assemble(("Penstock", "bold cyan"), " against a server that fails, over real sockets"))
    out.print(Text(f"penstock.{client}(plugins=[{SETTINGS}])", "dim"), soft_wrap=wrap)
    out.print(Text(LEGEND, "dim"), soft_wrap=wrap)


def _suggest(out: Console) -> None:
    words = "Next: penstock explain, penstock plugins, penstock faults, penstock stream URL; all have --help."
    out.print(Text(words, "dim"), soft_wrap=not out.is_terminal)
