"""The course of `unbroken demo`, and its report: a table and a verdict, or a JSON document."""

import json
import sys
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import typer
from attrs import frozen
from rich.console import Console, RenderableType
from rich.text import Text

from unbroken import Error
from unbroken_faults import FaultServer

from .._console import console
from .._layout import Column, Grid, show
from ._apis import MESSAGES, Api
from ._run import SETTINGS, Runner
from ._scenarios import SCENARIOS, Scenario
from ._screen import LEGEND, Screen, Silent, screen, verdict
from ._trial import Trial

if TYPE_CHECKING:
    from unbroken_metrics import Metrics

_COLUMNS: Final = (
    Column("  fault", whole=True),
    Column("what the consumer saw"),
    Column("attempts", right=True),
    Column("time", right=True, whole=True),
)


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
    show(out, Text.assemble(("Unbroken", "bold cyan"), " against a server that fails, over real sockets"))
    show(out, Text(f"unbroken.{client}(plugins=[{SETTINGS}])", "dim"))
    if api != MESSAGES:
        show(out, Text(f"POST {api.path}, dialect={api.dialect!r}", "dim"))
    show(out, Text(LEGEND, "dim"))


def _suggest(out: Console) -> None:
    words = "Next: unbroken explain, unbroken plugins, unbroken faults, unbroken stream URL; all have --help."
    show(out, Text(words, "dim"))


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
        self._grid().show(console)
        for trial in self.trials:
            for problem in trial.problems:
                show(console, Text(f"{trial.scenario.name}: {problem}", "red"), Text("✗ ", "red"), "  ")
        if self.metrics is not None:
            console.print(_counted(self.metrics))
            console.print()
        good = sum(trial.ok for trial in self.trials)
        words = f"{good} of {len(self.trials)} as required in {self.seconds:.1f} s"
        console.print(Text(words, "bold green" if self.ok else "bold red"))

    def _grid(self) -> Grid:
        grid = Grid(_COLUMNS)
        for chapter in self.api.chapters():
            rows = [trial for trial in self.trials if trial.scenario in chapter.scenarios]
            if rows and grid.rows:
                grid.rows.append(None)
            for trial in rows:
                fault = Text.assemble(verdict(trial), " ", trial.scenario.title)
                saw = Text(trial.saw, "green" if trial.error is None else "yellow")
                grid.add(fault, saw, str(trial.attempts), f"{trial.seconds:.2f} s")
        return grid


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
