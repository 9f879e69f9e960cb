"""The figures as JSON, and as tables in Markdown."""

import contextlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .contestants import BASELINES, CONTESTANTS
from .run import Figure
from .shapes import FLEETS, SHAPES

TITLES = {shape.name: shape.title for shape in SHAPES}
TITLES |= {f"paced-{each.many}": f"an event of {each.many:,} streams" for each in FLEETS}
TITLES |= {f"opening-{each.many}": f"opening one of {each.many:,} streams" for each in FLEETS}
TITLES |= {f"memory-{each.many}": f"memory of one of {each.many:,} streams" for each in FLEETS}


def machine() -> dict[str, Any]:
    """Return what the figures were made on."""
    return {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}


def as_json(figures: list[Figure], packages: list[dict[str, Any]]) -> str:
    found = {"machine": machine(), "figures": [each._asdict() for each in figures], "packages": packages}
    return json.dumps(found, indent=1)


def read(path: Path) -> tuple[list[Figure], list[dict[str, Any]]]:
    """Return what `as_json` wrote."""
    found = json.loads(path.read_text("utf-8"))
    return [Figure(**each) for each in found["figures"]], found["packages"]


def tables(figures: list[Figure], packages: list[dict[str, Any]], *, absolute: bool = False) -> str:
    """Return the tables: ratios, and with `absolute` the figures as well."""
    parts = []
    for backend in ("asyncio", "sync"):
        mine = [each for each in figures if each.backend == backend]
        for title, prefixes in GROUPS:
            shapes = [name for name in TITLES if name.startswith(prefixes) and any(it.shape == name for it in mine)]
            if shapes:
                parts += [f"### {backend}: {title}\n", *_table(mine, shapes, absolute), ""]
    if any(each.shape == "tasks" for each in figures):
        parts += ["### Connections for 5,000 requests of 500 tasks\n", *_connections(figures), ""]
    return "\n".join([*parts, "### Import and installation\n", *_packages(packages, absolute), ""])


GROUPS = (
    ("one stream", ("apart", "burst", "short")),
    ("TLS", ("tls",)),
    ("many", ("tasks", "threads", "paced")),
    ("held streams", ("opening", "memory")),
)


def _table(figures: list[Figure], shapes: list[str], absolute: bool) -> Iterator[str]:
    found = {(each.contestant, each.shape): each for each in figures}
    yield "| | " + " | ".join(TITLES[shape] for shape in shapes) + " |"
    yield "|---" * (len(shapes) + 1) + "|"
    for contestant in (each.name for each in CONTESTANTS):
        cells = [_cell(found.get((contestant, shape)), absolute) for shape in shapes]
        if any(cells):
            yield f"| {contestant} | " + " | ".join(cells) + " |"


def _cell(figure: Figure | None, absolute: bool) -> str:
    if figure is None:
        return ""
    if not figure.finished:
        return "did not finish"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}" if figure.ratio < 10 else f"{figure.ratio:.0f}"
    memory = figure.shape.startswith("memory")
    if absolute or memory:
        value = f"{figure.value / 1024:.1f} KiB" if memory else f"{figure.value * 1e6:.2f} µs"
        return f"{ratio} ({value})"
    return ratio


def _connections(figures: list[Figure]) -> Iterator[str]:
    yield "| | connections |"
    yield "|---|---|"
    for each in figures:
        if each.shape == "tasks":
            yield f"| {each.contestant} | {each.connections if each.finished else 'did not finish'} |"


def _packages(packages: list[dict[str, Any]], absolute: bool) -> Iterator[str]:
    yield "| | version | CPU of the import | installed |"
    yield "|---|---|---|---|"
    for each in packages:
        value = f" ({each['import'] * 1e3:.0f} ms)" if absolute else ""
        size = f"{each['bytes'] / 2**20:.1f} MiB"
        yield f"| {each['package']} | {each['version']} | {each['import_ratio']:.2f}{value} | {size} |"


BEGIN, END = "<!-- the tables of the harness -->", "<!-- the end of the tables -->"


def replaced(page: str, tables: str) -> str:
    """Return a page with these tables in place of those that it has."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{tables}\n{END}{rest.partition(END)[2]}"


def server(figures: list[Figure]) -> str:
    """Say how the server did against the bare client: its pace, and the pace of the fastest library."""
    lines = []
    for backend in ("asyncio", "sync"):
        for shape in ("burst-1", "burst-64", "short"):
            mine = [each for each in figures if (each.backend, each.shape) == (backend, shape) and each.finished]
            bare = next((each.wall for each in mine if each.contestant == "bare socket"), None)
            walls = {each.contestant: each.wall for each in mine if each.contestant != "bare socket"}
            if bare and walls:
                name = min(walls, key=lambda each: walls[each])
                lines.append(f"| {backend} | {TITLES[shape]} | {walls[name] / bare:.1f} | {name} |")
    head = ["| | | times the bare client's | of |", "|---|---|---|---|"]
    return "\n".join([*head, *lines, ""])


class Goal(NamedTuple):
    """What is to be reached: `measured` gets a function that returns the figure of a shape and a contestant."""

    title: str
    limit: float
    measured: Callable[[Callable[[str, str], float]], float]
    backends: tuple[str, ...] = ("asyncio", "sync")


def _against_httpx(name: str, shape: str, limit: float) -> Goal:
    base = BASELINES[next(each.api for each in CONTESTANTS if each.name == name)]
    return Goal(f"{name}: {TITLES[shape]}, to raw httpx", limit, lambda of: of(shape, name) / of(shape, base))


def _times_cheaper(name: str, other: str, limit: float) -> Goal:
    return Goal(f"{name}, to {other}", 1 / limit, lambda of: of("burst-1", name) / of("burst-1", other))


_LIMITS = (
    ("Unbroken events", ("burst-1", "burst-64"), 0.25),
    ("Unbroken text()", ("burst-1", "burst-64"), 0.33),
    ("Unbroken typed()", ("burst-1", "burst-64"), 0.45),
    ("Unbroken OpenAI text()", ("burst-1", "burst-64"), 0.40),
    ("Unbroken events", ("tls-1", "tls-64"), 0.15),
    ("Unbroken events", ("short",), 0.33),
    ("Unbroken events", ("paced-200",), 0.45),
)
_PLAIN, _SIX = "Unbroken events", "Unbroken six plugins"
GOALS = (
    *(_against_httpx(name, shape, limit) for name, shapes, limit in _LIMITS for shape in shapes),
    _times_cheaper("Unbroken typed()", "anthropic create()", 6),
    _times_cheaper("Unbroken builder", "anthropic helper", 7),
    _times_cheaper("Unbroken OpenAI text()", "openai create()", 20),
    Goal("six plugins, µs of an event", 0.05, lambda of: (of("burst-64", _SIX) - of("burst-64", _PLAIN)) * 1e6),
    Goal("six plugins, µs of a call", 15, lambda of: (of("short", _SIX) - of("short", _PLAIN)) * 1e6),
    Goal("an idle stream, KiB", 18, lambda of: of("memory-5000", _PLAIN) / 1024, ("asyncio",)),
    Goal(
        "opening one of 5,000 streams, to one of 1,000",
        1.3,
        lambda of: of("opening-5000", _PLAIN) / of("opening-1000", _PLAIN),
        ("asyncio",),
    ),
)
CONNECTIONS, IMPORT = 501, 1.25


def goals(figures: list[Figure], packages: list[dict[str, Any]]) -> str:
    """Return each goal of this library with what was measured."""
    found = {(each.backend, each.shape, each.contestant): each for each in figures if each.finished}
    lines = ["| goal | backend | limit | measured | |", "|---|---|---|---|---|"]
    for goal in GOALS:
        for backend in goal.backends:
            with contextlib.suppress(KeyError):  # it was not measured in this run
                value = goal.measured(lambda shape, name, backend=backend: found[backend, shape, name].value)
                lines.append(_judged(goal.title, backend, goal.limit, value))
    if ("asyncio", "tasks", _PLAIN) in found:
        made = found["asyncio", "tasks", _PLAIN].connections
        lines.append(_judged("connections for 500 tasks", "asyncio", CONNECTIONS, made))
    imports = [each["import_ratio"] for each in packages if each["package"] == "unbroken"]
    lines += [_judged("the import, to that of httpx", "", IMPORT, ratio) for ratio in imports]
    return "\n".join([*lines, ""])


def _judged(title: str, backend: str, limit: float, value: float) -> str:
    verdict = "met" if value <= limit else f"{value / limit - 1:+.0%}"
    return f"| {title} | {backend} | {limit:.4g} | {value:.3g} | {verdict} |"
