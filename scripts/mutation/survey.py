"""Finds out, once for a room, which tests run which lines, and how long each takes."""

import gc
import importlib
import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import coverage
from attrs import frozen
from scripts.mutation.mutants import Mutant
from scripts.mutation.rooms import ROOT, Room
from scripts.mutation.trial import SECONDS, SURVIVED, Survey, Tests, fork, run_tests, verdict


@frozen
class Surveyed:
    """What a room's tests do: seconds for each test, and for each file the tests that run its lines.

    An empty name stands for what runs when the file is imported.
    """

    seconds: dict[str, float]
    lines: dict[str, dict[int, list[str]]]

    def tests(self, mutant: Mutant) -> dict[str, float]:
        """Return the tests that reach the mutant with their limits in seconds, the fastest first.

        What is computed at import is reached by all; then those come first that run any line of the file.
        """
        lines = self.lines.get(mutant.file, {})
        reached = {test for line in mutant.lines for test in lines.get(line, ())}
        near = {test for tests in lines.values() for test in tests}
        wanted = self.seconds if "" in reached else reached
        order = sorted(wanted, key=lambda test: (test not in near, self.seconds[test]))
        return {test: SECONDS + 10 * self.seconds[test] for test in order}


def survey(room: Room) -> Surveyed:
    """Run the tests of the room on the unchanged sources, twice: with coverage, then as a trial does.

    Raises RuntimeError if one fails.
    """
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "survey.json"
        _expect_success(room, fork(lambda: _measure(room, report)))
        read: dict[str, Any] = json.loads(report.read_text("utf-8"))
    lines = {
        file: {int(line): [sys.intern(test) for test in tests] for line, tests in found.items()}
        for file, found in read["lines"].items()
    }
    surveyed = Surveyed(read["seconds"], lines)
    for module in read["modules"]:  # once, not in each trial
        with suppress(Exception):
            importlib.import_module(module)
    gc.freeze()
    limits = {test: SECONDS + 10 * seconds for test, seconds in surveyed.seconds.items()}
    _expect_success(room, fork(lambda: run_tests(room.arguments(), Tests(limits))))
    return surveyed


def _expect_success(room: Room, pid: int) -> None:
    if verdict(os.waitpid(pid, 0)[1]) != SURVIVED:
        raise RuntimeError(f"the tests of {room.name} fail without a mutant: pytest -x {' '.join(room.arguments())}")


def _measure(room: Room, report: Path) -> int:
    measured = coverage.Coverage(data_file=None, config_file=False, include=[str(ROOT / file) for file in room.files()])
    measured.start()
    plugin = Survey(measured)
    code = run_tests(room.arguments(), plugin)
    measured.stop()
    data = measured.get_data()
    lines = {file: data.contexts_by_lineno(str(ROOT / file)) for file in room.files()}
    modules = [name for name, module in sys.modules.items() if not _is_ours(getattr(module, "__file__", None))]
    report.write_text(json.dumps({"seconds": plugin.seconds, "lines": lines, "modules": modules}), "utf-8")
    return code


def _is_ours(file: str | None) -> bool:
    return file is None or file.startswith(tuple(str(ROOT / part) for part in ("core", "plugins", "tests", "scripts")))
