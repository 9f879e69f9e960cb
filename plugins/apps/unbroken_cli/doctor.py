"""`unbroken doctor`: what a program sees of each fault with the clients that are installed, bare and under Unbroken."""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Final, get_args

from rich.console import Console
from rich.text import Text

from unbroken_sdk.doctor import (
    BACK_OFF,
    CLIENTS,
    FAULTS,
    Cell,
    Client,
    Kind,
    Limits,
    PageError,
    Report,
    Row,
    around,
    diagnose,
)

from ._console import FAILED, UNUSABLE, console, printable, say
from ._layout import Column, Grid, show

_STYLES: Final = {"whole": "green", "error": "yellow"}
_BAD: Final = "bold red"
_NUMBERS: Final = (Column("req.", right=True, whole=True), Column("s", right=True, whole=True))
_COLUMNS: Final = (Column("fault"), Column("alone"), *_NUMBERS, Column("under Unbroken"), *_NUMBERS)
_MEANINGS: Final = (
    "whole: all of the text, once. An exception of the client's own is named. SILENT: success with text missing.",
    "TWICE: text again that was there. hang: no end. raw: an exception that leaked from a library below the client.",
    "Behind it the words received / meant. req.: requests at the server, +1 at another origin. s: seconds.",
)


class UnknownNameError(ValueError):
    """A client or a row that there is not."""


def doctor(
    names: Sequence[str] | None = None,
    rows: Sequence[Row] = FAULTS,
    *,
    as_json: bool = False,
    page: Path | None = None,
    limits: Limits | None = None,
) -> int:
    """Examine the clients called `names`, or all that are installed. Returns the exit code.

    0: a program under Unbroken can trust the end of every call. 1: it cannot. 2: there is no such client here. The
    table goes into `page`, too, between its two markers. Raises UnknownNameError, and PageError for a page that
    cannot be read or has no markers.
    """
    text = None if page is None else _text_of(page)  # it fails before the calls, not after them
    clients = _chosen(names or ())
    if isinstance(clients, str):
        say(f"{clients}\n")
        return UNUSABLE
    out = console()
    quiet = Console(quiet=True) if as_json else out
    with quiet.status("importing the clients") as shown:
        done, total = count(1), sum(2 * (len(client.rows(rows)) + 1) for client in clients)
        report = diagnose(
            clients, rows, limits=limits or Limits(), progress=lambda: shown.update(f"{next(done)} of {total} calls")
        )
    if as_json:
        sys.stdout.write(json.dumps(report.document(), indent=2, ensure_ascii=False) + "\n")
    else:
        _show(report, out)
    if not report.clients:
        return UNUSABLE
    if page is not None and text is not None:
        page.write_text(report.page(text), "utf-8")
    return 0 if report.ok else FAILED


def _text_of(page: Path) -> str:
    try:
        text = page.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PageError(str(error)) from error
    around(text)
    return text


def _chosen(names: Sequence[str]) -> list[Client] | str:
    """Return the clients to examine, or a sentence on what is missing."""
    known = {client.name: client for client in CLIENTS}
    for name in names:
        if name not in known:
            raise UnknownNameError(f"there is no client {name!r} here; there are {', '.join(known)}")
    wanted = [known[name] for name in dict.fromkeys(names)] or list(CLIENTS)
    absent = [client for client in wanted if client.version is None]
    if names and absent:
        install = shlex.join(client.requirement for client in absent)
        return f"Not installed: {', '.join(client.name for client in absent)}. Install with: pip install {install}"
    if len(absent) == len(wanted):
        return f"No client is installed. Install one, such as: pip install anthropic openai. Known: {', '.join(known)}"
    return [client for client in wanted if client.version is not None]


def _show(report: Report, out: Console) -> None:
    for client in report.clients:
        show(out, Text.assemble((f"{client.name} {client.version}", "bold cyan"), ", alone and under Unbroken"))
        _grid(report, client).show(out)
        out.print()
    for line in _notes(report):
        show(out, Text(line, "dim"), rest="  ")
    for line in report.missing:
        show(out, Text(printable(line), "yellow"), rest="  ")
    for problem in report.problems:
        show(out, Text(problem, "red"), Text("✗ ", "red"), "  ")
    if report.clients:
        verdict = (
            "under Unbroken: nothing silent, doubled, hanging or raw" if report.ok else "under Unbroken: not clean"
        )
        show(out, Text(f"{verdict}, {report.seconds:.1f} s in all", "bold green" if report.ok else _BAD))


def _grid(report: Report, client: Client) -> Grid:
    grid = Grid(_COLUMNS)
    for row in client.rows(report.rows):
        grid.add(row.title, *(part for cell in report.pair(client, row) for part in _parts(cell)))
    return grid


def _parts(cell: Cell) -> Iterator[Text]:
    yield Text(printable(cell.saw), _STYLES.get(cell.kind, _BAD))
    yield Text(cell.counted, "bold red" if cell.elsewhere else "")
    yield Text(f"{'>' if cell.hangs else ''}{cell.seconds:.1f}", "dim")


def _notes(report: Report) -> Iterator[str]:
    if not report.clients:
        return
    yield from _MEANINGS
    silence = report.limits.silence
    yield (
        f"The clients have their own retries and a timeout of {silence:g} s where the fault is one of time; Unbroken "
        f"has Timeout(first_event={silence:g}, idle={silence:g}), Retry(initial_delay={BACK_OFF:g})."
    )
    for client in report.clients:
        cells = [cell for row in client.rows(report.rows) for cell in report.pair(client, row)]
        alone, under = (_counts([cell.kind for cell in cells if cell.protected is side]) for side in (False, True))
        missing = ", ".join(row.title for row in report.rows if row.name in client.without)
        yield f"{client.name}: alone {alone}; under Unbroken {under}." + (f" Without: {missing}." if missing else "")


def _counts(kinds: Sequence[Kind]) -> str:
    return ", ".join(f"{kind} {kinds.count(kind)}" for kind in get_args(Kind) if kind in kinds)
