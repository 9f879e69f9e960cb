"""The figures as JSON, as a table of ratios, and beside the goals."""

import json
import statistics
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..harness.report import machine
from .measure import Figures

GATEWAY, BARE, LITELLM, UPSTREAM = "Unbroken gateway", "bare pass-through", "LiteLLM proxy", "upstream"
NAMES: Final = (BARE, GATEWAY, LITELLM)
BEGIN, END = "<!-- the table of the gateway's harness -->", "<!-- the end of the table -->"


class Measure(NamedTuple):
    """A row of the table."""

    name: str
    title: str
    unit: str
    scale: float
    memory: bool = False


MEASURES: Final = (
    Measure("request-messages", "CPU of a request of 10 events, Messages", "µs", 1e6),
    Measure("request-chat", "CPU of a request of 10 events, Chat Completions", "µs", 1e6),
    Measure("paced-messages", "CPU of an event that comes alone, Messages", "µs", 1e6),
    Measure("paced-chat", "CPU of an event that comes alone, Chat Completions", "µs", 1e6),
    Measure("added", "time that is added to the first event", "ms", 1e3),
    Measure("start", "start", "s", 1.0),
    Measure("idle", "memory, idle", "MiB", 2**-20, memory=True),
    Measure("stream", "memory of an open stream", "KiB", 2**-10, memory=True),
)

Medians = dict[str, dict[str, float]]
"""Seconds or bytes, by contestant and measure."""


def medians(rounds: list[Figures]) -> Medians:
    """Return the median of each figure, and what each contestant adds to the time of the upstream."""
    seen: dict[str, dict[str, list[float]]] = {}
    for figures in rounds:
        for name, value in figures.values.items():
            seen.setdefault(figures.contestant, {}).setdefault(name, []).append(value)
    found = {who: {name: statistics.median(values) for name, values in each.items()} for who, each in seen.items()}
    direct = found.pop(UPSTREAM, {}).get("first-event", 0.0)
    for each in found.values():
        if "first-event" in each:
            each["added"] = max(each["first-event"] - direct, 1e-6)
    return found


def as_json(found: Medians) -> str:
    """Return the figures for `read`."""
    return json.dumps({"machine": machine(), "figures": found}, indent=1)


def read(text: str) -> Medians:
    """Return what `as_json` wrote."""
    loaded: dict[str, Any] = json.loads(text)
    figures: Medians = loaded["figures"]
    return figures


def table(found: Medians, *, absolute: bool = False) -> str:
    """Return the table: ratios to the bare pass-through, and with `absolute` the figures as well."""
    names = [name for name in NAMES if name in found]
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for measure in MEASURES:
        cells = [_cell(measure, found[name], found.get(BARE, {}), absolute) for name in names]
        if any(cells):
            lines.append(f"| {measure.title} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _cell(measure: Measure, figures: dict[str, float], bare: dict[str, float], absolute: bool) -> str:
    if measure.name not in figures or measure.name not in bare:
        return ""
    value, base = figures[measure.name], bare[measure.name]
    ratio = value / base if base > 0 else float("nan")
    text = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    if absolute or measure.memory:
        text += f" ({value * measure.scale:.4g} {measure.unit})"
    return text


def replaced(page: str, text: str) -> str:
    """Return a page with this table in place of the one that it has. Raises ValueError without the two markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has not both of {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


class Goal(NamedTuple):
    """What is to be reached."""

    title: str
    limit: float
    measured: Callable[[Medians], float]


def _to(measure: str, other: str) -> Callable[[Medians], float]:
    return lambda found: found[GATEWAY][measure] / found[other][measure]


def _of(measure: str, scale: float) -> Callable[[Medians], float]:
    return lambda found: found[GATEWAY][measure] * scale


GOALS: Final = (
    *(
        Goal(f"a request of 10 events, {api}, to LiteLLM", 1 / 12, _to(f"request-{api}", LITELLM))
        for api in ("messages", "chat")
    ),
    *(
        Goal(f"a paced event, {api}, to a bare pass-through", 1.25, _to(f"paced-{api}", BARE))
        for api in ("messages", "chat")
    ),
    Goal("a paced event, messages, to LiteLLM", 1 / 3, _to("paced-messages", LITELLM)),
    Goal("a paced event, chat, to LiteLLM", 1 / 5, _to("paced-chat", LITELLM)),
    Goal("added to the first event, ms", 2.0, _of("added", 1e3)),
    Goal("memory, idle, MB", 70.0, _of("idle", 1e-6)),
    Goal("memory of an open stream, KB", 45.0, _of("stream", 1e-3)),
    Goal("ready, s", 2.0, _of("start", 1.0)),
)


def goals(found: Medians) -> str:
    """Return each goal with what was measured."""
    lines = ["| goal | limit | measured | |", "|---|---|---|---|"]
    for goal in GOALS:
        try:
            value = goal.measured(found)
        except (KeyError, ZeroDivisionError):
            continue  # it was not measured in this run
        verdict = "met" if value <= goal.limit else f"{value / goal.limit - 1:+.0%}"
        lines.append(f"| {goal.title} | {goal.limit:.3g} | {value:.3g} | {verdict} |")
    return "\n".join([*lines, ""])
