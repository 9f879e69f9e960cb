"""Runs the trials of many mutants, each in a process of its own."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from attrs import define
from scripts.mutation.mutants import Mutant
from scripts.mutation.report import Result
from scripts.mutation.survey import Surveyed
from scripts.mutation.trial import SECONDS, SURVIVED, Tests, fork, install, run_tests, verdict

_FIRST: int = 3  # so many files of tests are tried before all others: to collect them all takes seconds
_FAST: float = SECONDS + 2.0


@define(eq=False)
class _Trial:
    mutant: Mutant
    stages: Iterator[dict[str, float]]
    verdict: str = SURVIVED

    def start(self) -> int | None:
        """Start the next stage in a process of its own and return its id, None if there is no stage left."""
        tests = next(self.stages, None)
        return None if tests is None else fork(partial(_run, self.mutant, tests))

    def end(self, status: int) -> None:
        """Take the status of the process of a stage."""
        self.verdict = verdict(status)
        if self.verdict != SURVIVED:
            self.stages = iter(())


def run(chosen: Sequence[Mutant], surveyed: Surveyed, jobs: int, show: Callable[[Result], None]) -> list[Result]:
    """Return what became of each mutant, `jobs` of them at a time, and call `show` as each ends."""
    waiting = [_Trial(mutant, _stages(surveyed.tests(mutant))) for mutant in reversed(chosen)]
    running, results = dict[int, _Trial](), list[Result]()
    while waiting or running:
        while waiting and len(running) < jobs:
            trial = waiting.pop()
            if (pid := trial.start()) is not None:
                running[pid] = trial
                continue
            results.append(Result(trial.mutant, trial.verdict))
            show(results[-1])
        if running:
            _await_one(running, waiting)
    return results


def _await_one(running: dict[int, _Trial], waiting: list[_Trial]) -> None:
    """Wait until a process ends. Its trial waits again: for its next stage, or to be shown."""
    pid, status = os.wait()
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what its tests started
    trial = running.pop(pid)
    trial.end(status)
    waiting.append(trial)


def _stages(tests: dict[str, float]) -> Iterator[dict[str, float]]:
    """Yield the fast tests of the files that have most of them, then the others."""
    fast = {test: limit for test, limit in tests.items() if limit < _FAST}
    files = dict(Counter(map(_file, fast)).most_common(_FIRST))
    first = {test: limit for test, limit in fast.items() if _file(test) in files}
    yield from (stage for stage in (first, {test: tests[test] for test in tests if test not in first}) if stage)


def _file(test: str) -> str:
    return test.partition("::")[0]


def _run(mutant: Mutant, tests: dict[str, float]) -> int:
    install(mutant.file, mutant.tree())
    return run_tests(list(dict.fromkeys(map(_file, tests))), Tests(tests))
