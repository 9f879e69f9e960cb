"""Showing the rows as they run: live in a terminal, line by line elsewhere."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final, Protocol

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ._block import block
from ._scenarios import CHAPTERS
from ._trial import Trial

_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME: Final = 1 / 20
"""Seconds between two pictures."""


class Screen(Protocol):
    """What is told of the progress."""

    def begin(self, trial: Trial) -> None:
        """Take note of a call that is about to start; the one before it has ended."""
        ...


class Silent:
    """Shows nothing."""

    def begin(self, trial: Trial) -> None:
        """Do nothing."""


@define(eq=False)
class Lines:
    """Prints each row when it has ended, and the titles of the chapters between them."""

    console: Console
    erase: Callable[[], None] = field(default=lambda: None)
    """Takes away the picture of the row that runs."""
    lock: Lock = field(factory=Lock)
    """Held while anything is written."""
    _trial: Trial | None = field(default=None, init=False)
    _chapter: str = field(default="", init=False)

    def begin(self, trial: Trial) -> None:
        """Print the row before this one."""
        self.end()
        chapter = next((each.title for each in CHAPTERS if trial.scenario in each.scenarios), "")
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
        """Return a picture of the row that runs."""
        frame = _SPINNER[int(monotonic() * 10) % len(_SPINNER)]
        trial = self._trial
        return Text() if trial is None else block(trial, self.console.width, frame)

    def _print(self, text: Text) -> None:
        with self.lock:
            self.erase()
            self.console.print(text, soft_wrap=not self.console.is_terminal)


@contextmanager
def screen(console: Console) -> Generator[Screen]:
    """Give a screen that fits the console."""
    lines = Lines(console)
    if not (console.is_interactive and console.file.isatty()):  # colours can be forced upon a pipe
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
    """Refresh the picture, never while something is printed: rich's own thread does, and leaves its traces."""
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
