"""The picture of a window: a table with a row for each kind of number."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from .._console import printable
from .._layout import Fields, Parts
from ._reading import Reading, Window, seconds

_BARS: Final = "▁▂▃▄▅▆▇█"
_NOTHING: Final = "-"
_MOST_ERRORS: Final = 8
_MOST_CIRCUITS: Final = 10
_FEWEST: Final = 8
"""Bars of the sparkline that are shown however narrow the terminal is."""
_HISTORY: Final = 6
"""The row of the sparkline, behind the times."""

# The thresholds of the alert rules in docs/prometheus-alerts.yaml.
_SUCCESS: Final = (0.99, 0.95)
_SLOW: Final = 5.0
_RETRIES: Final = 0.20

DURATION: Final = "call_duration_seconds"
_USUAL_CIRCUIT: Final = "default"
"""The name that a circuit breaker has unless it is given another."""
FIRST_EVENT: Final = "time_to_first_event_seconds"


def frame(window: Window, history: Sequence[float | None] = ()) -> RenderableType:
    """Return the picture of `window`.

    `history` has the p95 latencies of the windows before it, None for windows without calls.
    """
    rows: list[tuple[str, Parts]] = [(name, list(parts) or [Text(_NOTHING)]) for name, parts in _rows(window)]
    if any(value is not None for value in history):
        rows.insert(_HISTORY, ("p95", lambda width: sparkline(history, width)))
    return Fields(rows)


def _rows(window: Window) -> Iterator[tuple[str, Iterable[Text]]]:
    now = window.now
    yield "calls", _calls(window)
    yield "success", _success(window)
    yield "attempts", _attempts(window)
    streams, connections = now.total("streams_in_flight"), now.total("connections_in_flight")
    yield "in flight", _joined((f"{streams:.0f} streams", f"{connections:.0f} connections"))
    yield "latency", _times(window, DURATION, _SLOW)
    yield "first event", _times(window, FIRST_EVENT, None)
    yield "errors", _errors(now)
    yield "circuits", _circuits(now)
    yield "waits", _waits(now)
    yield "limits", _limits(now)
    yield "streams", _streams(window)
    yield "tokens", _tokens(now)


def _calls(window: Window) -> Iterator[Text]:
    outcomes = window.now.by("calls_total", "outcome")
    yield Text(f"{sum(outcomes.values()):.0f}  ")
    rate = window.rate("calls_total")
    if rate is not None:
        yield Text(f"{rate:.1f}/s  ")
    counted = [f"{number:.0f} {outcome}" for (outcome,), number in outcomes.items() if number]
    yield from _joined(counted) if counted else ()


def _success(window: Window) -> Iterator[Text]:
    """Yield the share of successes among the calls that were not cancelled, as the alert rules do."""
    outcomes = window.by("calls_total", "outcome")
    judged = sum(outcomes.values()) - outcomes.get(("cancelled",), 0.0)
    if judged:
        share = outcomes.get(("success",), 0.0) / judged
        warning, critical = _SUCCESS
        yield Text(f"{share:.1%}", "bold red" if share < critical else "yellow" if share < warning else "green")


def _attempts(window: Window) -> Iterator[Text]:
    now = window.now
    yield Text(f"{now.total('attempts_total'):.0f}, ")
    yield Text(f"{now.total('retries_total'):.0f} tried again ")
    retries, calls = window.total("retries_total"), window.total("calls_total")
    if calls:
        share = retries / calls
        yield Text(f"({share:.0%} of the calls)", "yellow" if share > _RETRIES else "")


def _times(window: Window, name: str, slow: float | None) -> Iterator[Text]:
    for quantile in (0.5, 0.95, 0.99):
        value = window.quantile(name, quantile)
        bad = slow is not None and quantile == 0.95 and value is not None and value.value > slow
        shown = _NOTHING if value is None else str(value)
        yield Text.assemble((f"p{quantile * 100:g} ", "dim"), (f"{shown:<9}", "bold red" if bad else ""))


def _errors(now: Reading) -> Iterator[Text]:
    counted = now.by("attempt_errors_total", "error", "timeout")
    named = {
        f"{error} ({timeout})" if timeout else error: number for (error, timeout), number in counted.items() if number
    }
    most = sorted(named.items(), key=lambda it: -it[1])[:_MOST_ERRORS]
    return _joined((f"{name} {number:.0f}" for name, number in most), "yellow")


def _circuits(now: Reading) -> Iterator[Text]:
    active = [key for key, number in now.by("circuit_state", "circuit", "key", "state").items() if number]
    active.sort(key=lambda it: it[2] == "closed")
    for number, (circuit, key, state) in enumerate(active[:_MOST_CIRCUITS]):
        style = "bold red" if state in ("open", "forced_open") else "yellow" if state != "closed" else "green"
        name = _host(key) if circuit == _USUAL_CIRCUIT else f"{circuit} {_host(key)}"
        yield Text.assemble("\n" * bool(number), printable(f"{name}: "), (printable(state), style))
    if len(active) > _MOST_CIRCUITS:
        yield Text(f"\nand {len(active) - _MOST_CIRCUITS} more", "dim")


def _host(key: str) -> str:
    """Return the key of a circuit or a series without what is the same for nearly all."""
    return key.removeprefix("https://").removesuffix(":443") if key.startswith("https://") else key


def _waits(now: Reading) -> Iterator[Text]:
    spent = now.by("wait_seconds_total", "plugin")
    waits = now.by("waits_total", "plugin")
    return _joined(f"{plugin} {number:.0f} ({spent.get((plugin,), 0.0):.1f} s)" for (plugin,), number in waits.items())


def _limits(now: Reading) -> Iterator[Text]:
    limits = now.by("rate_limit_limit", "origin", "model", "kind")
    left = now.by("rate_limit_remaining", "origin", "model", "kind")
    several = len({origin for origin, _, _ in left}) > 1
    return _joined(
        f"{f'{_host(origin)} ' * several}{model} {kind}: {number:.0f}"
        + (f" of {limits[key]:.0f}" if key in limits else "")
        + " left"
        for key, number in left.items()
        for origin, model, kind in [key]
    )


def _streams(window: Window) -> Iterator[Text]:
    now = window.now
    stalls, truncations = now.total("stalls_total"), now.total("truncations_total")
    rate = window.rate("events_total")
    events = f"{now.total('events_total'):.0f} events" + ("" if rate is None else f" ({rate:.0f}/s)")
    size = now.total("received_bytes_total") / 1000
    amount = f"{size:.0f} kB" if size < 10_000 else f"{size / 1000:.0f} MB"
    return _joined((events, amount, f"{stalls:.0f} stalled", f"{truncations:.0f} truncated"))


def _tokens(now: Reading) -> Iterator[Text]:
    tokens = {key: number for key, number in now.by("tokens_total", "kind", "source").items() if number}
    return _joined(
        f"{kind} {number:.0f}{' (partial)' * (source == 'partial')}" for (kind, source), number in tokens.items()
    )


def _joined(parts: Iterable[str], style: str = "") -> Iterator[Text]:
    """Yield the parts with a comma behind each but the last; a dash if there are none."""
    *others, last = [*map(printable, parts)] or [_NOTHING]
    yield from (Text(f"{part}, ", style) for part in others)
    yield Text(last, style if last != _NOTHING else "")


def sparkline(values: Sequence[float | None], width: int) -> list[Text]:
    """Return a bar for each value, scaled to the greatest, and a gap for None: for the newest that fit in `width`."""
    greatest = max((value for value in values if value is not None), default=0.0)
    words = f"{seconds(greatest)} at most"
    scale = (len(_BARS) - 1) / greatest if greatest else 0.0
    bars = [" " if value is None else _BARS[round(value * scale)] for value in values]
    room = max(_FEWEST, width - len(words) - 1)
    return [Text("".join(bars[-room:]) + " ", "cyan"), Text(words, "cyan")]
