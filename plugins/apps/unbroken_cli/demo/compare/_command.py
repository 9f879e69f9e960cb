"""The course of `unbroken demo --compare`, and its report: a table for each API, notes, a verdict, a document."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from time import monotonic
from typing import Any, Final

from attrs import frozen
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..._console import console
from .. import Scenario
from ._consumers import APIS, BACK_OFF, OURS, RETRIES, SILENCE, Api, Consumer
from ._run import ROWS, Cell, Cells, Place, Run, participants

_STYLES: Final = {"whole": "green", "error": "yellow", "partial": "bold red", "hang": "bold red"}
_ENDS: Final = {
    "whole": "whole answer",
    "error": "error",
    "partial": "success without the whole answer",
    "hang": "hang",
}


def run_compare(rows: Sequence[Scenario] = ROWS, *, seed: int = 0, as_json: bool = False) -> bool:
    """Run the rows and report. Returns whether each cell of Unbroken is as required; the SDKs do not count."""
    if as_json:
        report = _compare(rows, seed, None)
        sys.stdout.write(json.dumps(report.document(), indent=2, ensure_ascii=False) + "\n")
        return report.ok
    out = console()
    out.print(Text.assemble(("Unbroken", "bold cyan"), " and the vendors' SDKs against the same failures"))
    report = _compare(rows, seed, out)
    report.show(out)
    return report.ok


def _compare(rows: Sequence[Scenario], seed: int, out: Console | None) -> "Report":
    started = monotonic()
    with (out or Console(quiet=True)).status("one call of each, to warm up") as shown:
        places, missing = participants(seed)
        done = count(1)
        total = len(rows) * len(places)
        cells = Run(seed=seed).all(rows, places, lambda: shown.update(f"{next(done)} of {total} calls"))
    seconds = monotonic() - started
    return Report(rows=rows, places=places, cells=cells, missing=missing, seconds=seconds, seed=seed)


@frozen(kw_only=True)
class Report:
    """All cells, after they ended or were given up."""

    rows: Sequence[Scenario]
    places: Sequence[Place]
    cells: Cells
    missing: Sequence[str]
    """A line for each SDK that is left out, with the reason."""
    seconds: float
    seed: int

    @property
    def ok(self) -> bool:
        """Whether each cell of Unbroken is as required."""
        return not any(self._problems())

    def show(self, console: Console) -> None:
        """Print the tables, the notes and the verdict."""
        for api in APIS:
            console.print()
            console.print(Text(api.title, "bold cyan"))
            console.print(self._table(api))
        console.print()
        for line in self._notes():
            console.print(Text(line, "dim"), soft_wrap=not console.is_terminal)
        for line in self.missing:
            console.print(Text(line, "yellow"), soft_wrap=True)
        problems = list(self._problems())
        for problem in problems:
            console.print(Text(f"✗ {problem}", "red"), soft_wrap=True)
        verdict = "unbroken: every row as required" if not problems else "unbroken: not as required"
        console.print(Text(f"{verdict}, {self.seconds:.1f} s in all", "bold red" if problems else "bold green"))

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON object; times in seconds."""
        return {
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "limits": {"silence": SILENCE, "max_retries": RETRIES, "first_back_off": BACK_OFF},
            "missing": list(self.missing),
            "rows": [self._row(row) for row in self.rows],
        }

    def _consumers(self, api: Api) -> list[Consumer]:
        return [consumer for each, consumer in self.places if each is api]

    def _problems(self) -> Iterator[str]:
        for row in self.rows:
            for api, consumer in self.places:
                for problem in self.cells[row.name, consumer].problems:
                    yield f"{row.name}, {api.title}: {problem}"

    def _row(self, row: Scenario) -> dict[str, Any]:
        cells = [_document(api, consumer, self.cells[row.name, consumer]) for api, consumer in self.places]
        return {"name": row.name, "fault": row.title, "script": row.script, "cells": cells}

    def _table(self, api: Api) -> Table:
        consumers = self._consumers(api)
        table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
        table.add_column("fault", no_wrap=True)
        for consumer in consumers:
            table.add_column(str(consumer), overflow="fold")
            table.add_column("words", justify="right", no_wrap=True)
            table.add_column("req.", justify="right", no_wrap=True)
            table.add_column("s", justify="right", no_wrap=True)
        for row in self.rows:
            cells = [self.cells[row.name, consumer] for consumer in consumers]
            table.add_row(row.title, *(part for cell in cells for part in _parts(cell)))
        return table

    def _notes(self) -> Iterator[str]:
        yield f"Limits of all: {SILENCE:g} s of silence, {RETRIES} retries, the first after about {BACK_OFF:g} s:"
        for api in APIS:
            if len(self._consumers(api)) > 1:
                yield f"  {api.usage}"
        yield f"  {OURS}"
        yield "words: received / meant; req.: requests at the server, +1 at another origin; s: until the consumer knew."
        for api, consumer in self.places:
            ends = Counter(self.cells[row.name, consumer].sort for row in self.rows)
            counted = ", ".join(f"{words} {ends[sort]}" for sort, words in _ENDS.items() if ends[sort])
            yield f"{consumer}, {api.title}: {counted}."
        yield from self._reasons()
        yield from self._compressed()
        yield from self._leaks()

    def _reasons(self) -> Iterator[str]:
        partial = [cell for cell in self.cells.values() if cell.sort == "partial"]
        if partial and all(cell.stop_reason is None for cell in partial):
            yield "Success without the whole answer: the final message is there, its stop reason is None."

    def _compressed(self) -> Iterator[str]:
        if any(row.name == "gzip" for row in self.rows):
            asked = [str(consumer) for _, consumer in self.places if self.cells["gzip", consumer].asked_for_gzip]
            yield f"gzip is asked for by {' and '.join(asked) or 'no consumer'}; one that did not ask may refuse it."

    def _leaks(self) -> Iterator[str]:
        for _, consumer in self.places:
            for row in self.rows:
                sent = self.cells[row.name, consumer].sent_elsewhere()
                if sent["requests"]:
                    what = [f"{'with' if sent[part] else 'without'} the {part}" for part in ("prompt", "key")]
                    yield f"{consumer} sent a request to another origin, {', '.join(what)}."


def _parts(cell: Cell) -> Iterator[Text]:
    style = _STYLES[cell.sort]
    yield Text(cell.outcome, style)
    yield Text(cell.words, style)
    yield Text(f"{cell.requests}+{len(cell.elsewhere)}" if cell.elsewhere else str(cell.requests))
    yield Text(f"{cell.seconds:.2f}" if cell.given_up is None else f">{cell.given_up:g}", "dim")


def _document(api: Api, consumer: Consumer, cell: Cell) -> dict[str, Any]:
    return {
        "api": api.title,
        "consumer": consumer.name,
        "version": consumer.version,
        "end": cell.sort,
        "outcome": cell.outcome,
        "error": cell.error_class,
        "message": None if cell.error is None else str(cell.error),
        "stop_reason": cell.stop_reason,
        "text": cell.text,
        "meant": cell.meant,
        "requests": cell.requests,
        "elsewhere": cell.sent_elsewhere(),
        "seconds": round(cell.seconds, 3),
        "given_up": cell.given_up,
        "required": consumer.ours,
        "problems": list(cell.problems),
    }
