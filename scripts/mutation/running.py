"""Runs the trials of many mutants, each in a process of its own."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from scripts.mutation.mutants import Mutant
from scripts.mutation.report import Result
from scripts.mutation.survey import Surveyed
from scripts.mutation.trial import Tests, fork, install, run_tests, verdict


def run(chosen: Sequence[Mutant], surveyed: Surveyed, jobs: int, show: Callable[[Result], None]) -> list[Result]:
    """Return what became of each mutant, `jobs` of them at a time, and call `show` as each ends."""
    waiting, running, results = list(reversed(chosen)), dict[int, Mutant](), list[Result]()
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            running[fork(partial(_trial, mutant, surveyed.tests(mutant)))] = mutant
        pid, status = os.wait()
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what its tests started
        results.append(Result(running.pop(pid), verdict(status)))
        show(results[-1])
    return results


def _trial(mutant: Mutant, tests: dict[str, float]) -> int:
    install(mutant.file, mutant.tree())
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    return run_tests(files, Tests(tests)) if tests else 0
