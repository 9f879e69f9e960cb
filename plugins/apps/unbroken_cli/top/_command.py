"""The course of `unbroken top`: ask an endpoint for its metrics, again and again, and show them."""

import http.client
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from attrs import define, field
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from .._console import FAILED, UNUSABLE, console, printable, say
from ._frame import DURATION, frame
from ._reading import Reading, Window

_FRAMES: Final = 60
"""Windows in the sparkline."""
_LONGEST: Final = 5.0
"""Seconds that an endpoint has for its answer."""
_MOST_BYTES: Final = 16 * 1024 * 1024


class ScrapeError(Exception):
    """The endpoint did not answer with metrics; the message says why, in one line."""


def endpoint(text: str) -> str:
    """Return the URL that `text` stands for: a URL, ``host:9464`` or ``:9464``. Raises ValueError."""
    if text.startswith(":"):
        text = f"127.0.0.1{text}"
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not the address of a metrics endpoint")
    _ = parts.port
    return urlunsplit(
        (parts.scheme, parts.netloc, parts.path if parts.path.strip("/") else "/metrics", parts.query, "")
    )


def scrape(url: str, timeout: float) -> Reading:
    """Return the present metrics of the endpoint. Raises ScrapeError. Proxies of the environment are not used."""
    from prometheus_client.parser import text_string_to_metric_families

    text = _get(url, timeout)
    try:
        reading = Reading.of(text_string_to_metric_families(text), time.monotonic())
    except (ValueError, KeyError, IndexError) as error:
        raise ScrapeError("what it answers with is not the text of Prometheus") from error
    if not reading.samples:
        raise ScrapeError("it has no metrics of Unbroken yet")
    return reading


def _get(url: str, timeout: float) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as response:
            body: bytes = response.read(_MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise ScrapeError(f"it answers with {error.code}") from None
    except urllib.error.URLError as error:
        raise ScrapeError(_words(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise ScrapeError(_words(error)) from None
    if len(body) > _MOST_BYTES:
        raise ScrapeError("it answers with far too much")
    return body.decode("utf-8", "replace")


def _words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "it does not answer in time"
    return (getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).lower()


@define(eq=False)
class Top:
    """The readings of one endpoint, one after another, and the picture of the newest."""

    url: str
    interval: float
    read: Callable[[str, float], Reading] = scrape
    _last: Reading | None = field(default=None, init=False)
    _window: Window | None = field(default=None, init=False)
    _history: deque[float | None] = field(factory=lambda: deque[float | None](maxlen=_FRAMES), init=False)

    def look(self) -> RenderableType:
        """Read again and return the picture. After a failure it has the old numbers and the reason."""
        try:
            return self.step()
        except ScrapeError as error:
            return self._picture(Text(f"{printable(self.url)}: {printable(str(error))}; trying again", "bold red"))

    def step(self) -> RenderableType:
        """Read again and return the picture. Raises ScrapeError."""
        reading = self.read(self.url, min(_LONGEST, max(1.0, self.interval)))
        self._window = Window(reading, self._last)
        if self._last is not None:
            p95 = self._window.quantile(DURATION, 0.95)
            self._history.append(None if p95 is None else p95.value)
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
