"""Mutation testing: ``python -m scripts.mutation [--number N] [--seed S] [--jobs J] [--again] [PATH …]``.

Changes the dialects, the policies, the engine and the decoder in a random sample of places, one at a time, and runs
the tests that reach the place, the fastest first. A mutant that no test notices is a test that is missing, or it
behaves like the original and belongs into `equivalents.toml`. Prints each survivor, then a table. Exits with 1 when
fewer than 97 % of those that are not equivalent were noticed.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence

from scripts.mutation.equivalents import reasons
from scripts.mutation.mutants import Mutant, mutants
from scripts.mutation.report import Result, show, table
from scripts.mutation.rooms import ROOMS, ROOT
from scripts.mutation.running import run
from scripts.mutation.survey import survey
from scripts.mutation.trial import SURVIVED

LAST = ROOT / "build" / "mutation.json"  # the survivors of the last run
GOAL = 0.97


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sample and print the report. Return the exit code."""
    options = _options(arguments)
    chosen = sample(options.paths, options.number, options.seed)
    if options.again:
        last = json.loads(LAST.read_text("utf-8"))
        chosen = [mutant for mutant in sample(options.paths, None, 0) if [mutant.file, mutant.key] in last]
    known = reasons()
    results = [Result(mutant, "equivalent") for mutant in chosen if (mutant.file, mutant.key) in known]
    left = [mutant for mutant in chosen if (mutant.file, mutant.key) not in known]
    for room in ROOMS:
        if here := [mutant for mutant in left if mutant.file in room.files()]:
            print(f"# {room.name}: {len(here)} mutants", file=sys.stderr, flush=True)
            results += run(here, survey(room), options.jobs, show)
    LAST.parent.mkdir(exist_ok=True)
    survivors = [[result.mutant.file, result.mutant.key] for result in results if result.verdict == SURVIVED]
    LAST.write_text(json.dumps(survivors, indent=1), "utf-8")
    text, score = table(results)
    print(text)
    return int(score < GOAL)


def sample(paths: Sequence[str], number: int | None, seed: int) -> list[Mutant]:
    """Return `number` mutants, or all, of the files that begin with one of the paths; any file without paths."""
    files = [file for room in ROOMS for file in room.files()]
    wanted = [file for file in files if not paths or file.startswith(tuple(paths))]
    found = [mutant for file in wanted for mutant in mutants(ROOT / file, file)]
    if number is None or number >= len(found):
        return found
    picked = set(random.Random(seed).sample(range(len(found)), number))  # noqa: S311
    return [mutant for index, mutant in enumerate(found) if index in picked]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.mutation", description=__doc__)
    parser.add_argument("--number", type=int, default=400, help="mutants in the sample (default: 400)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed picks the same mutants (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at the same time (default: 1)")
    parser.add_argument("--again", action="store_true", help="only the survivors of the last run")
    parser.add_argument("paths", nargs="*", help="only files whose path begins so, for example plugins/dialects")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
