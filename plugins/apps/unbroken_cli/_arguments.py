"""Options with a form of their own."""

import json as jsonlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ._stream import Form
    from .demo import Scenario


def parse_headers(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Read ``Name: value``. A bad line is not repeated: it may hold a credential."""
    parted = [line.partition(":") for line in lines]
    for number, (name, colon, _) in enumerate(parted, 1):
        if not colon or not name.strip():
            raise typer.BadParameter(f"number {number} is not of the form 'Name: value'", param_hint="--header")
    return [(name.strip(), value.strip()) for name, _, value in parted]


def parse_body(given: str | None) -> bytes | None:
    """Return the JSON that was given, or that is in ``@file``, or on standard input for ``-``."""
    if given is None:
        return None
    try:
        content = sys.stdin.buffer.read() if given == "-" else _content(given)
        jsonlib.loads(content)
    except OSError as error:
        raise typer.BadParameter(f"cannot be read: {error.strerror}", param_hint="--json-body") from None
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"is not JSON: {error}", param_hint="--json-body") from None
    return content


def _content(given: str) -> bytes:
    return Path(given[1:]).read_bytes() if given.startswith("@") else given.encode()


def parse_form(*, raw: bool, text: bool, json: bool) -> "Form":
    """Return how events are printed; at most one may be asked for."""
    if raw + text + json > 1:
        raise typer.BadParameter("choose one of --raw, --text and --json")
    return "raw" if raw else "text" if text else "json" if json else "auto"


def chosen(names: Sequence[str] | None, rows: "Sequence[Scenario]") -> "list[Scenario]":
    """Return the rows of these names, in their own order; all of them when none is named."""
    known = [row.name for row in rows]
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(f"there is no row {name!r}; there are {', '.join(known)}", param_hint="--only")
    return [row for row in rows if not names or row.name in names]
