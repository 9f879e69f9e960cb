"""The harness goes on without a contestant that hangs."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from .harness import report
from .harness.contestants import CONTESTANTS
from .harness.environments import Environments
from .harness.processes import DidNotFinish, Worker
from .harness.run import Plan, Run
from .harness.shapes import SHAPES


def test_a_contestant_that_hangs_is_killed() -> None:
    """The server accepts and never answers."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Worker(Path(sys.executable), "bare socket", "sync", pin=False) as worker,
    ):
        worker.limit = 0.1
        with pytest.raises(DidNotFinish, match=r"bare socket: .* ended with -9"):
            worker.ask("pull", base=f"http://127.0.0.1:{silent.getsockname()[1]}", times=1)


def test_a_contestant_that_did_not_finish_is_in_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes no part in the rest of the run, and the others do."""
    asked: list[tuple[str, str]] = []

    def measure(run: Any, server: Any, shape: Any, worker: Any, contestant: Any, how: Any) -> None:
        asked.append((shape.name, contestant.name))
        if contestant.name == "bare socket":
            raise DidNotFinish("it hung")
        values = {"cpu": 1e-6, "wall": 1e-6, "waits": 0.0, "connections": 1}
        run._seen.setdefault((how[0], shape.name, contestant.name), []).append(values)

    monkeypatch.setattr(Run, "_measure", measure)
    two = tuple(each for each in CONTESTANTS if each.name in ("bare socket", "Unbroken events"))
    shapes = tuple(each for each in SHAPES if each.name in ("burst-1", "burst-64"))
    figures = Run(Plan(1, ("sync",), two, shapes, ()), Environments(tmp_path), tmp_path).figures()
    assert asked.count(("burst-1", "bare socket")) == 1
    assert asked.count(("burst-64", "bare socket")) == 0
    assert asked.count(("burst-64", "Unbroken events")) == 2
    assert "| bare socket | did not finish |  |" in report.tables(figures, [])
    assert "did not finish: burst-1: it hung" in capsys.readouterr().err
    report.goals(figures, [])
    report.server(figures)
