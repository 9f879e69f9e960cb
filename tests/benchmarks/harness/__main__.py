"""The command: ``python -m tests.benchmarks.harness DIRECTORY [--quick] [--only WORD …]``."""

import argparse
from pathlib import Path

from . import chart, report
from .contestants import CONTESTANTS
from .environments import HOUSE, Environments
from .run import Figure, Run, plan


def main() -> None:
    """Measure, print the tables, and write them with the figures and the charts."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.harness", description=__doc__)
    parser.add_argument("directory", type=Path, help="where tables, figures and charts are written")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="three rounds, without the largest shapes")
    parser.add_argument("--backend", choices=("sync", "asyncio"), action="append")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="contestants, beside raw httpx")
    parser.add_argument("--environments", type=Path, default=HOUSE / ".nox" / "peers", help="of the peers")
    parser.add_argument("--again", action="store_true", help="measure nothing: write the tables of the last run")
    parser.add_argument("--page", type=Path, help="a page whose tables are replaced; the charts are written beside it")
    given = parser.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    kept = given.directory / "figures.json"
    if not given.again:
        backends = tuple(given.backend or ("sync", "asyncio"))
        planned = plan(given.rounds, given.quick, backends, given.only)
        run = Run(planned, Environments(given.environments), given.directory)
        kept.write_text(report.as_json(run.figures(), run.packages()), "utf-8")
    figures, packages = report.read(kept)
    (given.directory / "tables.md").write_text(report.tables(figures, packages), "utf-8")
    charts(figures, given.directory)
    if given.page is not None:
        text = report.replaced(given.page.read_text("utf-8"), report.tables(figures, packages))
        given.page.write_text(text, "utf-8")
        charts(figures, given.page.parent)
    print(report.tables(figures, packages, absolute=True))
    print(report.server(figures))
    print(report.goals(figures, packages))


def charts(figures: list[Figure], directory: Path) -> None:
    """Write the chart of the commonest shape: one event after the other, under asyncio."""
    ratios = {each.contestant: each.ratio for each in figures if (each.backend, each.shape) == ("asyncio", "burst-1")}
    bars = [(each.name, ratio) for each in CONTESTANTS if (ratio := ratios.get(each.name)) is not None]
    title = "CPU time of an event (asyncio), raw httpx = 1"
    for name, colours in (("light", chart.LIGHT), ("dark", chart.DARK)):
        (directory / f"performance-{name}.svg").write_text(chart.chart(title, bars, colours), "utf-8")


if __name__ == "__main__":
    main()
