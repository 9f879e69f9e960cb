import sqlite3
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest
from typer.testing import CliRunner

from unbroken_cli.app import app
from unbroken_gateway.audit import Audit


class Calls:
    """An audit, used from a thread that is no event loop."""

    def __init__(self, portal: anyio.from_thread.BlockingPortal, path: Path | None, **options: Any) -> None:
        self._portal = portal
        self.audit: Audit = portal.call(lambda: self._make(path, options))
        self.open = True

    async def _make(self, path: Path | None, options: dict[str, Any]) -> Audit:
        return Audit(None if path is None else str(path), **options)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.audit, name)
        return (lambda *arguments: self._portal.call(method, *arguments)) if callable(method) else method

    def close(self) -> None:
        if self.open:
            self.open = False
            self._portal.call(self.audit.aclose)


@pytest.fixture(params=["asyncio", "trio"])
def portal(request: pytest.FixtureRequest) -> Iterator[anyio.from_thread.BlockingPortal]:
    with anyio.from_thread.start_blocking_portal(request.param) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.db"


@pytest.fixture
def make(portal: anyio.from_thread.BlockingPortal, path: Path) -> Iterator[Callable[..., Calls]]:
    """Make audits over one file, or with `path` over another or none."""
    made: list[Calls] = []

    def call(*, path: Path | None = path, **options: Any) -> Calls:
        made.append(Calls(portal, path, **options))
        return made[-1]

    yield call
    for each in made:
        each.close()


def rows(path: Path) -> list[dict[str, Any]]:
    """Read the file as any other program would."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute("SELECT * FROM calls ORDER BY id")]
    finally:
        connection.close()


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command line; the result has `exit_code`, `stdout` and `stderr`."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    apart = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}
    return lambda *arguments: CliRunner(**apart).invoke(app, arguments, prog_name="unbroken")
