"""The figures as JSON, and as tables in Markdown."""

import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
            yield f"| {each.contestant} | {each.connections} |"


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
            mine = [each for each in figures if (each.backend, each.shape) == (backend, shape)]
            bare = next((each.wall for each in mine if each.contestant == "bare socket"), None)
            walls = {each.contestant: each.wall for each in mine if each.contestant != "bare socket"}
            if bare and walls:
                name = min(walls, key=lambda each: walls[each])
                lines.append(f"| {backend} | {TITLES[shape]} | {walls[name] / bare:.1f} | {name} |")
    head = ["| | | times the bare client's | of |", "|---|---|---|---|"]
    return "\n".join([*head, *lines, ""])


def goals(figures: list[Figure]) -> str:
    """Return each goal with what was measured."""
    found = {(each.backend, each.shape, each.contestant): each for each in figures}
    lines = ["| goal | backend | limit | measured | |", "|---|---|---|---|---|"]
    for name, shapes, limit in GOALS:
        for backend in ("asyncio", "sync"):
            for shape in shapes:
                each = found.get((backend, shape, name))
                if each is not None and each.ratio is not None:
                    met = "met" if each.ratio <= limit else f"{each.ratio / limit - 1:+.0%}"
                    lines.append(f"| {name}: {TITLES[shape]} | {backend} | {limit:.2f} | {each.ratio:.2f} | {met} |")
    return "\n".join([*lines, ""])


_EACH = ("apart", "burst-1", "burst-64")
GOALS = (
    ("Unbroken events", _EACH, 0.25),
    ("Unbroken text()", _EACH, 0.33),
    ("Unbroken typed()", _EACH, 0.45),
    ("Unbroken OpenAI text()", _EACH, 0.40),
    ("Unbroken events", ("tls-1", "tls-64"), 0.15),
    ("Unbroken events", ("short",), 0.33),
    ("Unbroken events", ("paced-200",), 0.45),
)
assert all(name in {each.name for each in CONTESTANTS} for name, _, _ in GOALS)
assert set(BASELINES.values()) <= {each.name for each in CONTESTANTS}
