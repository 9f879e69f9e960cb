"""The picture of a window: a table with a row for each kind of number."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .._console import printable
from ._reading import Reading, Window

_BARS: Final = "▁▂▃▄▅▆▇█"
_NOTHING: Final = "-"
_MOST_ERRORS: Final = 8
_MOST_CIRCUITS: Final = 10

# The thresholds of the alert rules in docs/prometheus-alerts.yaml.
_SUCCESS: Final = (0.99, 0.95)
_SLOW: Final = 5.0
_RETRIES: Final = 0.20

DURATION: Final = "call_duration_seconds"
FIRST_EVENT: Final = "time_to_first_event_seconds"


def frame(window: Window, history: Sequence[float | None] = ()) -> RenderableType:
    """Return the picture of `window`.

    `history` has the p95 latencies of the windows before it, None for windows without calls.
    """
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in _rows(window, history):
        table.add_row(name, text)
    return Group(table)


def _rows(window: Window, history: Sequence[float | None]) -> Iterator[tuple[str, Text]]:
    now = window.now
    yield "calls", _calls(window)
    yield "success", _success(window)
    yield "attempts", _attempts(window)
    streams, connections = now.total("streams_in_flight"), now.total("connections_in_flight")
    yield "in flight", Text(f"{streams:.0f} streams, {connections:.0f} connections")
    yield "latency", _times(window, DURATION, _SLOW)
    yield "first event", _times(window, FIRST_EVENT, None)
    if any(value is not None for value in history):
        yield "p95", Text(sparkline(history), "cyan")
    yield "errors", _errors(now)
    yield "circuits", _circuits(now)
    yield "waits", _waits(now)
    yield "limits", _limits(now)
    yield "streams", _streams(window)
    yield "tokens", _tokens(now)


def _calls(window: Window) -> Text:
    outcomes = window.now.by("calls_total", "outcome")
    parts = ", ".join(f"{number:.0f} {outcome}" for (outcome,), number in outcomes.items() if number)
    rate = window.rate("calls_total")
    words = f"{sum(outcomes.values()):.0f}" + ("" if rate is None else f"  {rate:.1f}/s") + (f"  {parts}" * bool(parts))
    return Text(printable(words))


def _success(window: Window) -> Text:
    """Return the share of successes among the calls that were not cancelled, as the alert rules do."""
    outcomes = window.by("calls_total", "outcome")
    judged = sum(outcomes.values()) - outcomes.get(("cancelled",), 0.0)
    if not judged:
        return Text(_NOTHING)
    share = outcomes.get(("success",), 0.0) / judged
    warning, critical = _SUCCESS
    return Text(f"{share:.1%}", "bold red" if share < critical else "yellow" if share < warning else "green")


def _attempts(window: Window) -> Text:
    now = window.now
    retries, calls = window.total("retries_total"), window.total("calls_total")
    text = Text(f"{now.total('attempts_total'):.0f}, {now.total('retries_total'):.0f} tried again")
    if calls:
        share = retries / calls
        text.append(f" ({share:.0%} of the calls)", "yellow" if share > _RETRIES else "")
    return text


def _times(window: Window, name: str, slow: float | None) -> Text:
    text = Text()
    for quantile in (0.5, 0.95, 0.99):
        value = window.quantile(name, quantile)
        style = "bold red" if slow is not None and quantile == 0.95 and (value or 0.0) > slow else ""
        text.append(f"p{quantile * 100:g} ", "dim").append(f"{seconds(value):<9}", style)
    return text


def _errors(now: Reading) -> Text:
    counted = now.by("attempt_errors_total", "error", "timeout")
    named = {
        f"{error} ({timeout})" if timeout else error: number for (error, timeout), number in counted.items() if number
    }
    return _listed(sorted(named.items(), key=lambda it: -it[1])[:_MOST_ERRORS], "yellow")


def _circuits(now: Reading) -> Text:
    active = [key for key, number in now.by("circuit_state", "circuit", "key", "state").items() if number]
    active.sort(key=lambda it: it[2] == "closed")
    text = Text()
    for circuit, key, state in active[:_MOST_CIRCUITS]:
        style = "bold red" if state in ("open", "forced_open") else "yellow" if state != "closed" else "green"
        text.append("\n" if text else "").append(printable(f"{circuit} {key}: ")).append(printable(state), style)
    return text or Text(_NOTHING)


def _waits(now: Reading) -> Text:
    spent = now.by("wait_seconds_total", "plugin")
    waits = now.by("waits_total", "plugin")
    return _joined(f"{plugin} {number:.0f} ({spent.get((plugin,), 0.0):.1f} s)" for (plugin,), number in waits.items())


def _limits(now: Reading) -> Text:
    limits = now.by("rate_limit_limit", "origin", "model", "kind")
    left = now.by("rate_limit_remaining", "origin", "model", "kind")
    return _joined(
        f"{model} {kind}: {number:.0f}" + (f" of {limits[key]:.0f}" if key in limits else "") + " left"
        for key, number in left.items()
        for _, model, kind in [key]
    )


def _streams(window: Window) -> Text:
    now = window.now
    stalls, truncations = now.total("stalls_total"), now.total("truncations_total")
    rate = window.rate("events_total")
    events = f"{now.total('events_total'):.0f} events" + ("" if rate is None else f" ({rate:.0f}/s)")
    size = now.total("received_bytes_total") / 1000
    amount = f"{size:.0f} kB" if size < 10_000 else f"{size / 1000:.0f} MB"
    return Text(f"{events}, {amount}, {stalls:.0f} stalled, {truncations:.0f} truncated")


def _tokens(now: Reading) -> Text:
    tokens = {key: number for key, number in now.by("tokens_total", "kind", "source").items() if number}
    return _joined(
        f"{kind} {number:.0f}{' (partial)' * (source == 'partial')}" for (kind, source), number in tokens.items()
    )


def _listed(counts: Iterable[tuple[str, float]], style: str) -> Text:
    text = _joined(f"{name} {number:.0f}" for name, number in counts)
    text.style = style if text.plain != _NOTHING else ""
    return text


def _joined(parts: Iterable[str]) -> Text:
    return Text(printable(", ".join(parts)) or _NOTHING)


def seconds(value: float | None) -> str:
    """Return a duration for people."""
    if value is None:
        return _NOTHING
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def sparkline(values: Sequence[float | None]) -> str:
    """Return a bar for each value, scaled to the greatest, and a gap for None."""
    greatest = max((value for value in values if value is not None), default=0.0)
    scale = (len(_BARS) - 1) / greatest if greatest else 0.0
    bars = "".join(" " if value is None else _BARS[round(value * scale)] for value in values)
    return f"{bars} {seconds(greatest)} at most"
