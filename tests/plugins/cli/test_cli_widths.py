"""Every table and list of every command in terminals of 40 and 80 columns."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.text import Text

from unbroken_cli import doctor
from unbroken_cli._console import console, tolerate_encodings
from unbroken_cli._layout import Column, Grid, show
from unbroken_cli.demo._command import Report
from unbroken_cli.demo._scenarios import SCENARIOS
from unbroken_cli.demo._screen import block
from unbroken_cli.demo._trial import Trial
from unbroken_sdk.doctor import CLIENTS, FAULTS, Cell, Limits
from unbroken_sdk.doctor import Report as Diagnosis

_HEADINGS = {"setting", "fault", "name", "kind", "entry", "point", "distribution", "state"}
"""Those that a stacked table leaves out: of its first column, and all of the plugins."""


@pytest.fixture
def at(monkeypatch):
    """Return what `make` returns in a terminal of so many columns, without styles."""

    def at_width(make, columns):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(columns))
        return re.sub(r"\x1b\[[0-9;]*m", "", make())

    return at_width


def words(text):
    return {word.rstrip(":,") for word in text.split() if word.strip("─")}


def assert_fits(at, make):
    """No line is too wide, no word is missing, and none that has room is broken."""
    whole = words(at(make, 400))
    assert whole
    for columns in (40, 80):
        shown = at(make, columns)
        wide = [line for line in shown.splitlines() if cell_len(line.rstrip()) > columns]
        assert not wide
        missing = {word for word in whole - words(shown) if cell_len(word) <= columns - 6}
        assert missing <= _HEADINGS
        joined = "".join(shown.split())
        assert all(word in joined for word in whole - missing)  # also in pieces


@pytest.mark.parametrize(
    "command",
    [
        ["plugins"],
        ["plugins", "retry", "circuit-breaker", "rate-limit", "fallback", "anthropic", "httpx"],
        ["faults", "--list"],
        ["explain"],
        ["explain", "--plugins", "timeout,retry", "--dialect", "openai"],
        ["config"],
    ],
    ids=" ".join,
)
def test_a_command_fits_the_terminal(invoke, at, command):
    """Its tables are stacked or wrapped, its descriptions wrapped."""
    assert_fits(at, lambda: invoke(*command).stdout)


def test_settings_of_a_file_fit_the_terminal(invoke, at, nowhere):
    """Long values and the names of files are wrapped, not cut."""
    statuses = ", ".join(map(str, range(500, 560)))
    (nowhere / "unbroken.toml").write_text(f"plugins = ['retry']\n[retry]\nretry_statuses = [{statuses}]\n", "utf-8")
    assert_fits(at, lambda: invoke("config").stdout)
    assert_fits(at, lambda: invoke("explain").stdout)


def captured(capsys, run):
    def make():
        capsys.readouterr()
        run(console())
        return capsys.readouterr().out

    return make


def test_the_tables_of_the_doctor_fit_the_terminal(at, capsys):
    """Six columns of faults, ends and numbers, and the notes below them."""
    ended = {"text": "one two", "meant": "one two three", "typed": True, "hangs": False, "message": "it broke"}
    facts = {"requests": 3, "elsewhere": 1, "leaks_prompt": False, "leaks_key": False, "seconds": 12.5}
    cells = {
        (client.name, row.name, protected): Cell(
            client=client.name, row=row.name, protected=protected, error="APIConnectionError", **ended, **facts
        )
        for client in CLIENTS[:2]
        for row in client.rows(FAULTS)
        for protected in (False, True)
    }
    report = Diagnosis(clients=CLIENTS[:2], rows=FAULTS, limits=Limits(), cells=cells, missing=[], seconds=1.0)
    assert_fits(at, captured(capsys, lambda out: doctor._show(report, out)))


def test_the_rows_and_the_table_of_the_demonstration_fit_the_terminal(at, capsys):
    """All rows, each with its text, an error and a problem."""
    trials = []
    for scenario in SCENARIOS:
        trial = Trial(scenario, status="failure", error=ValueError("x"), attempts=3, seconds=1.25)
        trial.text = trial.meant = scenario.text
        trial.note("error", "TimeoutError: no progress in the stream while silence is normal within 2 s")
        trial.note("commit", "")
        trial.finish()
        trials.append(trial)
    report = Report(trials=trials, seconds=3.0, seed=0, use_async=False)
    assert_fits(at, captured(capsys, report.show))
    for trial in trials:
        assert_fits(at, captured(capsys, lambda out, trial=trial: out.print(block(trial, out.width), soft_wrap=True)))


def test_a_table_of_nothing_is_its_headings(at, capsys):
    """And a list of nothing an empty line."""
    grid = Grid((Column("name"), Column("value")))
    assert at(captured(capsys, grid.show), 40).split()[:2] == ["name", "value"]
    assert at(captured(capsys, lambda out: show(out, Text())), 40) == "\n"


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii"])
def test_a_console_without_unicode_shows_tables_all_the_same(monkeypatch, encoding):
    """Marks, bars, rules and names that it has no characters for are replaced."""
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding=encoding)
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    tolerate_encodings()
    grid = Grid((Column("name"), Column("value")))
    grid.add("✓ 界", "▁▂▃█ ~375 ms ⠋ →")
    grid.show(console())
    show(console(), Text("◆ naïve ✗"))
    out.flush()
    assert b"~375 ms" in written.getvalue()
