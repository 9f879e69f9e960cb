"""Tables of the gateway's commands: as wide as what is in them, or stacked in a terminal without that room."""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from ._complaints import printable

_GAP: Final = "  "
_NARROWEST: Final = 20


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[str] = frozenset()) -> None:
    """Print a line for each of `rows`. The columns that `right` names are aligned to the right.

    In a terminal with too few columns the cells of a row are below its first one, each with its heading. No cell is
    cut.
    """
    from rich.cells import cell_len

    rows = [[*map(printable, row)] for row in rows]
    widths = [max(cell_len(row[number]) for row in (headings, *rows)) for number in range(len(headings))]
    columns = shutil.get_terminal_size().columns
    lines: list[str] = []
    if sys.stdout.isatty() and sum(widths) + len(_GAP) * (len(widths) - 1) > columns:
        lines += [line for row in rows for line in _stacked(headings, row, max(_NARROWEST, columns))]
    else:
        for row in (headings, *rows):
            spaces = (" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
            cells = zip(headings, row, spaces, strict=True)
            line = _GAP.join(space + cell if name in right else cell + space for name, cell, space in cells)
            lines.append(line.rstrip())
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _stacked(headings: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    yield from _wrapped(row[0], width, "")
    line = ""
    for part in (f"{name}: {cell}" for name, cell in zip(headings[1:], row[1:], strict=True) if cell):
        longer = f"{line}   {part}" if line else part
        if line and len(_GAP) + len(longer) > width:
            yield from _wrapped(line, width, _GAP)
            longer = part
        line = longer
    yield from _wrapped(line, width, _GAP)


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=" " * 4, break_on_hyphens=False)
