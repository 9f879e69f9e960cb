"""Prints what became of the mutants."""

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence

from attrs import frozen
from scripts.mutation.mutants import Mutant
from scripts.mutation.trial import HUNG, KILLED, SURVIVED

EQUIVALENT = "equivalent"


@frozen
class Result:
    """A mutant, and whether it was killed, hung (which is noticed too), survived or is equivalent."""

    mutant: Mutant
    verdict: str


def show(result: Result) -> None:
    """Print a survivor as a diff, and a dot for each other."""
    if result.verdict != SURVIVED:
        print(end=".", file=sys.stderr, flush=True)
    else:
        mutant = result.mutant
        place = f"{mutant.file}:{mutant.lines.start} {mutant.function}".rstrip()
        print(f"\n{place}\n-   {mutant.before}\n+   {mutant.after}", flush=True)


def table(results: Sequence[Result]) -> tuple[str, float]:
    """Return a table by package, and the share of those noticed among those that are not equivalent."""
    counted = defaultdict[str, Counter[str]](Counter)
    for result in results:
        counted[_area(result.mutant.file)][result.verdict] += 1
    counted["all"] = sum(counted.values(), Counter[str]())
    rows = [f"{'':40}{'mutants':>10}{'equivalent':>12}{'killed':>8}{'hung':>6}{'survived':>10}{'noticed':>9}"]
    score = 1.0
    for area, count in counted.items():
        valid = count.total() - count[EQUIVALENT]
        score = 1 - count[SURVIVED] / valid if valid else 1.0
        numbers = f"{count.total():>10}{count[EQUIVALENT]:>12}{count[KILLED]:>8}{count[HUNG]:>6}{count[SURVIVED]:>10}"
        rows.append(f"{area:40}{numbers}{score:>9.1%}")
    return "\n".join(["", *rows]), score


def _area(file: str) -> str:
    """The package of a plugin; in core, the engine as one and the other modules one by one."""
    parts = file.split("/")
    return "/".join(parts[:3])
