"""The report of `unbroken demo --storm`: a table with a row for each protection, and one sentence."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from .._console import console
from .._layout import Column, Grid, show
from ._storm import CALLS, DOWN, SPAN, UP, Storm, simulate

_COLUMNS: Final = (
    Column("policies", whole=True),
    Column("load", right=True),
    Column("answered", right=True),
    Column("longest", right=True, whole=True),
    Column("well after", right=True, whole=True),
    Column("requests over time", whole=True),
)
_MEANINGS: Final = (
    "load: requests that reached the server while it was down, per call that began then",
    "longest: the longest time from the beginning of a call to its answer or its error",
    "well after: from the end of the outage to the end of the last call that failed",
)
_BARS: Final = "▁▂▃▄▅▆▇█"


def run_storm(*, seed: int = 0, as_json: bool = False) -> bool:
    """Make the calls under each protection, and report. Returns whether each protection lowered the load."""
    if as_json:
        storm = simulate(seed)
        sys.stdout.write(json.dumps(storm.document(), indent=2) + "\n")
        return storm.ok
    out = console()
    show(out, Text.assemble((f"{CALLS} calls", "bold cyan"), f" in {SPAN / 60:g} minutes of virtual time"))
    words = f"The server refuses all requests from minute {DOWN / 60:.1f} to minute {UP / 60:.1f}."
    show(out, Text(words, "dim"))
    with out.status("calling"):
        storm = simulate(seed)
    report(storm, out)
    return storm.ok


def report(storm: Storm, out: Console) -> None:
    """Print the table and the sentence."""
    out.print()
    _grid(storm).show(out)
    out.print()
    for line in _notes(storm):
        show(out, Text(line, "dim"), rest="  ")
    alone, both = storm.named("retries").load, storm.named("both").load
    words = (
        f"A server that is down gets {alone:.2f} requests per call from retries alone, {both:.2f} with both policies."
    )
    show(out, Text(words, "bold green" if storm.ok else "bold red"))


def _grid(storm: Storm) -> Grid:
    grid = Grid(_COLUMNS)
    most = max(max(course.requests_over_time) for course in storm.courses)
    for course in storm.courses:
        grid.add(
            Text(course.protection.title, "bold"),
            Text(f"{course.load:.2f}", "bold green" if course.load <= 1 else "bold red"),
            f"{course.answered}",
            f"{course.longest:.1f} s",
            f"{course.well_after:.0f} s",
            Text(_bars(course.requests_over_time, most), "cyan"),
        )
    return grid


def _notes(storm: Storm) -> Iterator[str]:
    yield from _MEANINGS
    for course in storm.courses:
        yield f"{course.protection.title}: {course.protection.settings}"
    yield f"seed {storm.seed}, {storm.seconds:.1f} s of real time"


def _bars(counts: Sequence[int], most: int) -> str:
    return "".join(_BARS[round(count * (len(_BARS) - 1) / max(1, most))] for count in counts)
