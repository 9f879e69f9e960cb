"""Shows the rows while they run: live in a terminal, line by line elsewhere."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final, Protocol

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.text import Text

from .._console import printable
from .._layout import hang
from ._scenarios import CHAPTERS, Chapter
from ._trial import Note, Trial

_GLYPHS: Final = {
    "error": ("✗", "red"),
    "decision": ("↻", "yellow"),
    "stop": ("■", "yellow"),
    "commit": ("◆", "cyan"),
}
LEGEND: Final = "✗ an attempt fails  ↻ ■ a policy decides  ◆ delivered: nothing is repeated"
_INDENT: Final = "    "

_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME: Final = 1 / 20
"""Seconds between two refreshes."""


class Screen(Protocol):
    """Shows the progress of the rows."""

    def begin(self, trial: Trial) -> None:
        """Show a call that is about to start; the previous one has ended."""
        ...


class Silent:
    """Shows nothing."""

    def begin(self, trial: Trial) -> None:
        """Do nothing."""


@define(eq=False)
class Lines:
    """Prints each row after its end, and the titles of the chapters between them."""

    console: Console
    chapters: Sequence[Chapter] = CHAPTERS
    erase: Callable[[], None] = field(default=lambda: None)
    """Erases the live picture of the running row."""
    lock: Lock = field(factory=Lock)
    """Held while anything is printed."""
    _trial: Trial | None = field(default=None, init=False)
    _chapter: str = field(default="", init=False)

    def begin(self, trial: Trial) -> None:
        """Print the previous row, and remember this one."""
        self.end()
        chapter = next((each.title for each in self.chapters if trial.scenario in each.scenarios), "")
        if chapter != self._chapter:
            self._print(Text(f"\n{chapter}", "bold cyan"))
        self._chapter = chapter
        self._trial = trial

    def end(self) -> None:
        """Print the last row."""
        trial, self._trial = self._trial, None
        if trial is not None:
            self._print(block(trial, self.console.width))

    def running(self) -> Text:
        """Return the live picture of the running row."""
        frame = _SPINNER[int(monotonic() * 10) % len(_SPINNER)]
        trial = self._trial
        return Text() if trial is None else block(trial, self.console.width, frame)

    def _print(self, text: Text) -> None:
        with self.lock:
            self.erase()
            self.console.print(text, soft_wrap=not self.console.is_terminal)


@contextmanager
def screen(console: Console, chapters: Sequence[Chapter] = CHAPTERS) -> Generator[Screen]:
    """Yield a screen that fits the console, and that prints the titles of `chapters`."""
    lines = Lines(console, chapters)
    if not (console.is_interactive and console.file.isatty()):  # FORCE_COLOR makes a pipe look interactive
        yield lines
        lines.end()
        return
    with Live(console=console, get_renderable=lines.running, auto_refresh=False, transient=True) as live:
        lines.erase = live.refresh
        with _refreshing(live, lines.lock):
            yield lines
            lines.end()


@contextmanager
def _refreshing(live: Live, lock: Lock) -> Generator[None]:
    """Refresh the picture in a thread, but never while a row is printed.

    The thread of rich does not wait for that and leaves remains of the picture between the rows.
    """
    stop = Event()

    def refresh() -> None:
        while not stop.wait(_FRAME):
            with lock:
                live.refresh()

    thread = Thread(target=refresh, name="unbroken-demo-screen", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def block(trial: Trial, width: int, spinner: str | None = None) -> Text:
    """Return a row: its title, then a line for each note, in order.

    With a `spinner` the row is still running, and its result is left out.
    """
    lines = [_title(trial, width, spinner)]
    lines += [_line(note, trial, width) for note in list(trial.notes)]
    lines += [hang(Text(problem, "bold red"), width, f"{_INDENT}! ", f"{_INDENT}  ") for problem in trial.problems]
    return Text("\n").join(lines)


def verdict(trial: Trial) -> Text:
    """Return the mark of a row: as required, not as required, or still running."""
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
        if width - line.cell_len - len(facts) < 3:
            return line.append(f"\n{_INDENT}{facts}", "dim")
        line.append(" " * (width - line.cell_len - len(facts) - 1)).append(facts, "dim")
    return line


def _line(note: Note, trial: Trial, width: int) -> Text:
    glyph, style = _GLYPHS[note.kind]
    text = Text(" ".join(printable(note.text).split()), style) if note.kind != "commit" else _answer(trial)
    return hang(text, width, Text.assemble(_INDENT, (f"{glyph} ", style)), f"{_INDENT}  ")


def _answer(trial: Trial) -> Text:
    """Return the text that arrived, all of it."""
    if not trial.text:
        return Text("…" if trial.status == "running" else "no word of the answer", "dim")
    return Text(" ".join(printable(trial.text).split()))
