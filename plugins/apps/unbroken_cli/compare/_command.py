"""The comparison from its first line to its last."""

import json
import sys
from collections.abc import Sequence
from itertools import count
from time import monotonic
from typing import Final

from attrs import evolve
from rich.console import Console
from rich.text import Text

from .._console import console
from ..demo import Scenario
from ._consumers import APIS, Api, Consumer
from ._report import Report
from ._rows import ROWS
from ._run import Place, Run

_WARM_UP: Final = evolve(ROWS[0], name="warm-up")
_PATIENCE: Final = 20.0
"""Seconds for a first call: the SDK is imported in it."""


def run_compare(rows: Sequence[Scenario] = ROWS, *, seed: int = 0, as_json: bool = False) -> bool:
    """Run the rows, report. Returns whether each of Unbroken's cells is as required, whatever became of the SDKs'."""
    if as_json:
        report = _compare(rows, seed, None)
        sys.stdout.write(json.dumps(report.document(), indent=2, ensure_ascii=False) + "\n")
        return report.ok
    out = console()
    out.print(Text.assemble(("Unbroken", "bold cyan"), " and the vendors' SDKs against the same failures"))
    report = _compare(rows, seed, out)
    report.show(out)
    return report.ok


def _compare(rows: Sequence[Scenario], seed: int, out: Console | None) -> Report:
    started = monotonic()
    with (out or Console(quiet=True)).status("one call of each, to warm up") as shown:
        places, missing = participants(seed)
        done = count(1)
        total = len(rows) * len(places)
        cells = Run(seed=seed).all(rows, places, lambda: shown.update(f"{next(done)} of {total} calls"))
    seconds = monotonic() - started
    return Report(rows=rows, places=places, cells=cells, missing=missing, seconds=seconds, seed=seed)


def participants(seed: int = 0) -> tuple[list[Place], list[str]]:
    """Return who takes part, after a first call, which takes longer than others, and why somebody does not."""
    places: list[Place] = []
    missing: list[str] = []
    absent: list[str] = []
    for api in APIS:
        theirs = api.theirs()
        if theirs is None:
            absent.append(api.package)
        elif problem := _first_call(api, theirs, seed):
            missing.append(f"{theirs} cannot be used here, its columns are left out: {problem}")
        else:
            places.append((api, theirs))
        ours = api.ours()
        _first_call(api, ours, seed)
        places.append((api, ours))
    if absent:
        names = " and ".join(absent)
        missing.append(f"Not installed, so left out: {names}. They join in after: pip install {' '.join(absent)}")
    return places, missing


def _first_call(api: Api, consumer: Consumer, seed: int) -> str | None:
    cell = Run(seed=seed, give_up=_PATIENCE).one(_WARM_UP, api, consumer)
    return None if cell.sort == "whole" else f"{cell.outcome}: {cell.error}"
