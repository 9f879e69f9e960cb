"""The course of `unbroken demo`, and its report: a table and a verdict, or a JSON document."""

import json
import sys
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import typer
from attrs import frozen
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from unbroken import Error
from unbroken_faults import FaultServer

from .._console import console
from ._apis import MESSAGES, Api
from ._run import SETTINGS, Runner
from ._scenarios import SCENARIOS, Scenario
from ._screen import LEGEND, Screen, Silent, screen, verdict
from ._trial import Trial

if TYPE_CHECKING:
    from unbroken_metrics import Metrics


def run_demo(
    scenarios: Sequence[Scenario] | None = None,
    *,
    api: Api = MESSAGES,
    seed: int = 0,
    use_async: bool = False,
    as_json: bool = False,
    metrics: bool = False,
) -> bool:
    """Run the rows, by default all that `api` has, and report. Returns whether every row ended as required.

    Raises ConfigurationError when `metrics` is true and the packages for it are missing.
    """
    rows = api.rows(SCENARIOS) if scenarios is None else scenarios
    counted = _counting() if metrics else None
    runner = partial(_run, rows, seed=seed, use_async=use_async, api=api, metrics=counted)
    if as_json:
        report = runner(Silent())
        sys.stdout.write(json.dumps(report.document(), indent=2, ensure_ascii=False) + "\n")
        return report.ok
    out = console()
    _introduce(out, use_async, api)
    with screen(out, api.chapters()) as shown:
        report = runner(shown)
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


def _run(
    scenarios: Sequence[Scenario],
    shown: Screen,
    *,
    seed: int,
    use_async: bool,
    api: Api,
    metrics: "Metrics | None",
) -> "Report":
    started = monotonic()
    with FaultServer(seed=seed) as server:
        trials = Runner(server, use_async, api, metrics).run(scenarios, shown.begin)
    seconds = monotonic() - started
    return Report(trials=trials, seconds=seconds, seed=seed, use_async=use_async, api=api, metrics=metrics)


def _introduce(out: Console, use_async: bool, api: Api = MESSAGES) -> None:
    client = "AsyncClient" if use_async else "Client"
    wrap = not out.is_terminal
    out.print(Text.assemble(("Unbroken", "bold cyan"), " against a server that fails, over real sockets"))
    out.print(Text(f"unbroken.{client}(plugins=[{SETTINGS}])", "dim"), soft_wrap=wrap)
    if api != MESSAGES:
        out.print(Text(f"POST {api.path}, dialect={api.dialect!r}", "dim"), soft_wrap=wrap)
    out.print(Text(LEGEND, "dim"), soft_wrap=wrap)


def _suggest(out: Console) -> None:
    words = "Next: unbroken explain, unbroken plugins, unbroken faults, unbroken stream URL; all have --help."
    out.print(Text(words, "dim"), soft_wrap=not out.is_terminal)


@frozen(kw_only=True)
class Report:
    """All rows, after the end of the last one."""

    trials: Sequence[Trial]
    seconds: float
    seed: int
    use_async: bool
    api: Api = MESSAGES
    metrics: "Metrics | None" = None
    """The metrics of all calls, with ``--metrics``."""

    @property
    def ok(self) -> bool:
        """Whether every row ended as required."""
        return all(trial.ok for trial in self.trials)

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON object; times in seconds."""
        counted = {} if self.metrics is None else {"metrics": self.metrics.snapshot().to_dict()}
        return {
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "client": "AsyncClient" if self.use_async else "Client",
            "dialect": self.api.name,
            "rows": [_row(trial) for trial in self.trials],
            **counted,
        }

    def show(self, console: Console) -> None:
        """Print the table, the problems, the metrics and the verdict."""
        console.print()
        console.print(self._table())
        for trial in self.trials:
            for problem in trial.problems:
                console.print(Text(f"✗ {trial.scenario.name}: {problem}", "red"), soft_wrap=True)
        if self.metrics is not None:
            console.print(_counted(self.metrics))
            console.print()
        good = sum(trial.ok for trial in self.trials)
        words = f"{good} of {len(self.trials)} as required in {self.seconds:.1f} s"
        console.print(Text(words, "bold green" if self.ok else "bold red"))

    def _table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
        table.add_column("  fault", no_wrap=True)
        table.add_column("what the consumer saw")
        table.add_column("attempts", justify="right")
        table.add_column("time", justify="right", no_wrap=True)
        for chapter in self.api.chapters():
            for trial in (each for each in self.trials if each.scenario in chapter.scenarios):
                fault = Text.assemble(verdict(trial), " ", trial.scenario.title)
                saw = Text(trial.saw, "green" if trial.error is None else "yellow")
                table.add_row(fault, saw, str(trial.attempts), f"{trial.seconds:.2f} s")
            table.add_section()
        return table


def _counted(metrics: "Metrics") -> RenderableType:
    """Return the numbers as `unbroken top` shows them, but with the exact percentiles that the plugin knows."""
    from unbroken_metrics import PrometheusCollector

    from ..top import DURATION, FIRST_EVENT, Reading, Window, frame

    total = metrics.snapshot().total
    times = ((DURATION, total.duration), (FIRST_EVENT, total.time_to_first_event))
    exact = {
        (name, quantile): value
        for name, timing in times
        for quantile, value in ((0.5, timing.p50), (0.95, timing.p95), (0.99, timing.p99))
    }
    reading = Reading.of(PrometheusCollector(metrics).collect(), monotonic())
    return frame(Window(reading, exact=exact))


def _row(trial: Trial) -> dict[str, Any]:
    scenario, error = trial.scenario, trial.error
    return {
        "name": scenario.name,
        "fault": scenario.title,
        "script": scenario.script,
        "ok": trial.ok,
        "problems": list(trial.problems),
        "status": trial.status,
        "saw": trial.saw,
        "text": trial.text,
        "meant": trial.meant,
        "error": trial.error_class,
        "message": error.message if isinstance(error, Error) else None if error is None else str(error),
        "phase": error.phase if isinstance(error, Error) else None,
        "timeout": trial.timeout,
        "request_id": trial.request_id,
        "attempts": trial.attempts,
        "requests": trial.requests,
        "seconds": round(trial.seconds, 3),
        "notes": [{"kind": note.kind, "at": round(note.at, 3), "text": note.text} for note in trial.notes],
    }
