"""The command: ``python -m tests.benchmarks.gateway DIRECTORY [--quick] [--litellm PYTHON] [--page FILE]``."""

import argparse
import contextlib
from pathlib import Path

from ..harness.environments import Environments
from ..harness.processes import Server
from . import measure, report
from .contestants import HOUSE, Contestant, Direct, Gateway, LiteLLM, PassThrough

LITELLM = "litellm[proxy]"


def main() -> None:
    """Measure, print the table with absolute figures and the goals, and write the table of ratios."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gateway", description=__doc__)
    parser.add_argument("directory", type=Path, help="where the table and the figures are written")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two short rounds")
    parser.add_argument("--environments", type=Path, default=HOUSE / ".nox" / "peers", help="of the peer")
    parser.add_argument("--litellm", type=Path, help="the interpreter of an environment that has it already")
    parser.add_argument("--without-litellm", action="store_true")
    parser.add_argument("--again", action="store_true", help="measure nothing: write the table of the last run")
    parser.add_argument("--page", type=Path, help="a page whose table is replaced")
    given = parser.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    kept = given.directory / "gateway.json"
    if not given.again:
        python = None if given.without_litellm else given.litellm or Environments(given.environments).python(LITELLM)
        rounds = 2 if given.quick else given.rounds
        amounts = measure.QUICK if given.quick else measure.FULL
        kept.write_text(report.as_json(run(given.directory.resolve(), python, rounds, amounts)), "utf-8")
    found = report.read(kept.read_text("utf-8"))
    (given.directory / "gateway.md").write_text(report.table(found), "utf-8")
    if given.page is not None:
        given.page.write_text(report.replaced(given.page.read_text("utf-8"), report.table(found)), "utf-8")
    print(report.table(found, absolute=True))
    print(report.goals(found))


def run(place: Path, litellm: Path | None, rounds: int, amounts: measure.Amounts) -> report.Medians:
    """Start everybody and ask them in turns, in an order that changes with each round."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server())
        those: list[Contestant] = [stack.enter_context(make(server.url, place)) for make in (PassThrough, Gateway)]
        if litellm is not None:
            those.append(stack.enter_context(LiteLLM(server.url, place, litellm)))
        figures = [measure.once(each, server, amounts) for each in those]
        for number in range(rounds):
            turn = number % len(those)
            figures += [measure.around(each, amounts) for each in those[turn:] + those[:turn]]
            direct = measure.first_event(Direct(server.url), "messages", amounts.first)
            figures.append(measure.Figures(report.UPSTREAM, {"first-event": direct}))
        return report.medians(figures)


if __name__ == "__main__":
    main()
