"""The result of the demonstration: a table and a verdict, or a JSON document."""

from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from attrs import frozen
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from unbroken import Error

from ._scenarios import CHAPTERS
from ._screen import verdict
from ._trial import Trial

if TYPE_CHECKING:
    from unbroken_metrics import Metrics


@frozen(kw_only=True)
class Report:
    """All rows, after the end of the last one."""

    trials: Sequence[Trial]
    seconds: float
    seed: int
    use_async: bool
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
        for chapter in CHAPTERS:
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
