"""How one row looks while it runs, and afterwards."""

from typing import Final

from rich.text import Text

from .._console import printable
from ._trial import Note, Trial

GLYPHS: Final = {
    "error": ("✗", "red"),
    "decision": ("↻", "yellow"),
    "stop": ("■", "yellow"),
    "commit": ("◆", "cyan"),
}
LEGEND: Final = "✗ an attempt fails  ↻ ■ a policy decides  ◆ delivered: nothing is repeated"
_INDENT: Final = "    "


def block(trial: Trial, width: int, spinner: str | None = None) -> Text:
    """Return the row: a line with its title, then a line for each thing that happened, in order.

    With a `spinner` it is a picture of a row that runs: how it ended is told once, when it is over.
    """
    lines = [_title(trial, width, spinner)]
    lines += [_line(note, trial, width) for note in list(trial.notes)]
    lines += [Text(f"{_INDENT}! {problem}", "bold red") for problem in trial.problems]
    return Text("\n").join(lines)


def verdict(trial: Trial) -> Text:
    """Return the mark of a row."""
    if trial.ok:
        return Text("✓", "bold green")
    return Text("✗", "bold red") if trial.problems else Text("·", "cyan")


def _title(trial: Trial, width: int, spinner: str | None) -> Text:
    mark = verdict(trial) if spinner is None else Text(spinner, "cyan")
    line = Text("  ").append_text(mark).append(" ")
    line.append(trial.scenario.title, "bold")
    if spinner is None and (trial.ok or trial.problems):
        attempts = f"{trial.attempts} attempt{'s' if trial.attempts != 1 else ''}"
        facts = f"{attempts}  {trial.seconds:5.2f} s"
        line.append(" " * max(2, width - line.cell_len - len(facts) - 1)).append(facts, "dim")
    return line


def _line(note: Note, trial: Trial, width: int) -> Text:
    glyph, style = GLYPHS[note.kind]
    line = Text(_INDENT).append(f"{glyph} ", style)
    if note.kind != "commit":
        line.append(_cut(note.text, width), style)
    else:
        line.append(_cut(printable(trial.text) or "…", width))
    return line


def _cut(text: str, width: int) -> str:
    room = max(20, width - len(_INDENT) - 3)
    flat = " ".join(text.split())
    return flat if len(flat) <= room else f"{flat[: room - 1]}…"
