"""The live view from its first frame to its last."""

import time
from collections import deque
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

from attrs import define, field
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from .._console import console, printable, say
from ._frame import DURATION, frame
from ._reading import Reading, Window
from ._scrape import ScrapeError, scrape

FAILED: Final = 1
UNUSABLE: Final = 2
_FRAMES: Final = 60
"""Windows that the sparkline shows."""
_LONGEST: Final = 5.0
"""Seconds that an endpoint has for its answer."""


@define(eq=False)
class Top:
    """The readings of one endpoint, one after the other."""

    url: str
    interval: float
    read: Callable[[str, float], Reading] = scrape
    _last: Reading | None = field(default=None, init=False)
    _window: Window | None = field(default=None, init=False)
    _history: deque[float | None] = field(factory=lambda: deque[float | None](maxlen=_FRAMES), init=False)

    def look(self) -> RenderableType:
        """Read once more. Returns the picture: the newest numbers, and what is wrong if they are not new."""
        try:
            return self.step()
        except ScrapeError as error:
            return self._picture(Text(f"{printable(self.url)}: {printable(str(error))}; trying again", "bold red"))

    def step(self) -> RenderableType:
        """Read once more and return the picture. Raises ScrapeError."""
        reading = self.read(self.url, min(_LONGEST, max(1.0, self.interval)))
        self._window = Window(reading, self._last)
        if self._last is not None:
            self._history.append(self._window.quantile(DURATION, 0.95))
        self._last = reading
        return self._picture(Text(printable(self.url), "bold cyan"))

    def _picture(self, title: Text) -> RenderableType:
        window = self._window
        if window is None:
            return title
        span = "since it began" if window.seconds is None else f"in the last {window.seconds:.1f} s"
        return Group(title.append(f"  rates, shares and times {span}", "not bold dim"), frame(window, self._history))


def top(
    url: str, *, interval: float, once: bool, tick: Callable[[float], None] = time.sleep, out: Console | None = None
) -> int:
    """Show the metrics of `url` until Ctrl-C, or once. Returns the exit code."""
    if find_spec("prometheus_client") is None:
        say("unbroken top needs prometheus-client: pip install 'unbroken[metrics]'\n")
        return UNUSABLE
    out = console() if out is None else out
    view = Top(url, interval)
    if once:
        return _once(view, out)
    try:
        _watch(view, out, tick)
    except KeyboardInterrupt:
        return 0
    return 0


def _once(view: Top, out: Console) -> int:
    try:
        picture = view.step()
    except ScrapeError as error:
        say(f"{printable(view.url)}: {printable(str(error))}\n")
        return FAILED
    out.print(picture)
    return 0


def _watch(view: Top, out: Console, tick: Callable[[float], None]) -> None:
    if not out.is_terminal:
        while True:
            out.print(view.look())
            tick(view.interval)
    with Live(view.look(), console=out, auto_refresh=False, screen=False) as live:
        while True:
            tick(view.interval)
            live.update(view.look(), refresh=True)
