"""The command as a function, and the places that it reads from, empty."""

import os
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from unbroken_cli.app import app
from unbroken_faults import FaultServer

Invoke = Callable[..., Any]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings and no keys of this machine, no backends or widths forced by it."""
    unwanted = {"FORCE_COLOR", "NO_COLOR", "COLUMNS", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"}
    unwanted |= {"GEMINI_API_KEY", "OLLAMA_API_KEY"}
    for name in list(os.environ):
        if name.startswith("UNBROKEN_") or name in unwanted:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def invoke() -> Invoke:
    """Run a command line; the result has `exit_code`, `stdout` and `stderr`."""

    # Before click 8.2 the two streams were one unless told apart.
    apart = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}

    def call(*arguments: str, input: str | None = None) -> Any:
        return CliRunner(**apart).invoke(app, arguments, input=input, prog_name="unbroken")

    return call


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running
