"""`unbroken doctor`: its table, its documents, its exit codes. What it reports on is made up here."""

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from unbroken_cli import doctor
from unbroken_sdk.doctor import BEGIN, END, Cell, Report, _client

TEXT = "one two three four"


def a_cell(client: str, row: str, protected: bool, **changes: Any) -> Cell:
    ended = {"text": TEXT, "meant": TEXT, "error": None, "typed": False, "hangs": False, "message": None}
    counts = {"requests": 1, "elsewhere": 0, "leaks_prompt": False, "leaks_key": False, "seconds": 0.1}
    return Cell(**{"client": client, "row": row, "protected": protected, **ended, **counts, **changes})


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The clients that are installed."""
    names = {"anthropic", "groq"}

    def version(name: str) -> str:
        if name not in names:
            raise PackageNotFoundError(name)
        return "9.9"

    monkeypatch.setattr(_client, "version", version)
    return names


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, installed: set[str]) -> dict[bool, dict[str, Any]]:
    """What alone (False) and under Unbroken (True) is seen of each fault."""
    changes: dict[bool, dict[str, Any]] = {False: {"text": "one"}, True: {}}

    def diagnose(clients: Any, rows: Any, *, limits: Any, progress: Any) -> Report:
        progress()
        rows = list(rows)
        cells = {
            (client.name, row.name, protected): a_cell(client.name, row.name, protected, **changes[protected])
            for client in clients
            for row in rows
            for protected in (False, True)
        }
        return Report(clients=clients, rows=rows, limits=limits, cells=cells, missing=["left out: x"], seconds=1.0)

    monkeypatch.setattr(doctor, "diagnose", diagnose)
    return changes


def test_the_table_has_what_was_seen_alone_and_under_unbroken(invoke, seen):
    """For each client that is installed, with what the words mean and the counts."""
    result = invoke("doctor")
    assert result.exit_code == 0
    assert "anthropic 9.9, alone and under Unbroken" in result.stdout
    assert "groq: alone silent 20; under Unbroken whole 20." in result.stdout
    assert result.stdout.count("SILENT 1/4") == 40
    assert "left out: x" in result.stdout
    assert "nothing silent, doubled, hanging or raw" in result.stdout


@pytest.mark.parametrize(
    "bad",
    [{"text": "one"}, {"text": "one one"}, {"hangs": True}, {"error": "ReadTimeout"}, {"elsewhere": 1}],
    ids=["silent", "twice", "hang", "raw", "elsewhere"],
)
def test_a_bad_end_under_unbroken_is_exit_code_1(invoke, seen, bad):
    """It says which."""
    seen[True] = bad
    result = invoke("doctor", "anthropic", "--only", "cut")
    assert result.exit_code == 1
    assert "✗ anthropic, cut: " in result.stdout
    assert "under Unbroken: not clean" in result.stdout


def test_json_has_everything_that_the_table_has(invoke, seen):
    """One document, and nothing else on standard output."""
    result = invoke("doctor", "groq", "--only", "cut", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"], document["missing"]) == (0, True, ["left out: x"])
    (client,) = document["clients"]
    (row,) = client["rows"]
    assert (client["name"], client["version"], row["name"]) == ("groq", "9.9", "cut")
    assert (row["bare"]["saw"], row["protected"]["kind"], row["protected"]["text"]) == ("SILENT 1/4", "whole", TEXT)


def test_the_table_is_written_into_a_page(invoke, seen, nowhere: Path):
    """Between its markers."""
    page = nowhere / "page.md"
    page.write_text(f"# Title\n{BEGIN}\n{END}\n")
    assert invoke("doctor", "groq", "--only", "cut", "--page", str(page)).exit_code == 0
    assert "| cut politely | SILENT 1/4, 1, 0.1 s | whole, 1, 0.1 s |" in page.read_text()


@pytest.mark.parametrize("text", ["# Title\n", None], ids=["no-markers", "no-file"])
def test_a_page_that_cannot_be_written_is_exit_code_2_before_any_call(invoke, seen, nowhere: Path, text, monkeypatch):
    """Nothing is run in vain."""
    monkeypatch.setattr(doctor, "diagnose", lambda *args, **kwargs: pytest.fail("was run"))
    page = nowhere / "page.md"
    if text is not None:
        page.write_text(text)
    result = invoke("doctor", "--page", str(page))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--page" in result.stderr


def test_without_any_client_it_says_what_to_install(invoke, seen, installed):
    """And exits with 2."""
    installed.clear()
    result = invoke("doctor")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pip install anthropic openai" in result.stderr


def test_a_client_that_is_not_installed_is_exit_code_2(invoke, seen):
    """With how to install it and what it needs."""
    result = invoke("doctor", "anthropic", "pydantic-ai-slim")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith("pip install 'pydantic-ai-slim[anthropic]'\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["no-such-client"], "mistralai"), (["--only", "no-such-fault"], "cut-rudely")],
    ids=["client", "fault"],
)
def test_an_unknown_name_is_exit_code_2(invoke, seen, arguments, words):
    """With the names that there are."""
    result = invoke("doctor", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_only_clients_that_cannot_be_examined_are_exit_code_2(invoke, seen, monkeypatch):
    """Nothing was found out."""
    none = {"clients": [], "rows": [], "cells": {}, "missing": ["groq 9.9 cannot be examined here"], "seconds": 1.0}
    monkeypatch.setattr(doctor, "diagnose", lambda *args, limits, progress: Report(limits=limits, **none))
    result = invoke("doctor", "groq")
    assert (result.exit_code, result.stdout) == (2, "groq 9.9 cannot be examined here\n")
