"""Text and tables that fit a terminal of any width: no word is broken that has room, and no value is cut."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from attrs import field, frozen
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

_NARROWEST: Final = 12
"""Columns of text that are used even where a terminal has fewer."""
_WORD: Final = re.compile(r"[^ ]+ *| +")
_PIECE: Final = re.compile(r"[^._:/,;=&?|+\-]*[._:/,;=&?|+\-]+|[^._:/,;=&?|+\-]+")
"""A part of a word that is longer than a line, which is broken behind punctuation."""
_GAP: Final = "   "
_MARGIN: Final = 4
"""Columns before the second line of a cell in a stacked table."""
_ANY: Final = 1_000_000
"""Columns of what is not a terminal, at most."""
_BESIDE: Final = 24
"""Columns that values need to stand beside their names."""


def wrap(text: Text, width: int) -> list[Text]:
    """Return the lines of `text`, none wider than `width` cells.

    A line ends at a space; within a word only if the word alone is wider than a line, then behind punctuation if there
    is any.
    """
    lines: list[Text] = []
    for paragraph in text.split("\n", allow_blank=True):
        paragraph.expand_tabs(4)
        for line in paragraph.divide(_breaks(paragraph.plain, max(1, width))):
            line.rstrip()
            lines.append(line)
    return lines


def hang(text: Text, width: int, first: str | Text = "", rest: str = "") -> Text:
    """Return `text` wrapped to `width`, with `first` before its first line and `rest` before the others."""
    room = max(_NARROWEST, width - max(cell_len(str(first).rpartition("\n")[2]), cell_len(rest)))
    prefixes = [Text.assemble(first)]
    lines = wrap(text, room)
    prefixes += [Text(rest)] * (len(lines) - 1)
    return Text("\n").join(prefix + line for prefix, line in zip(prefixes, lines, strict=True))


def show(out: Console, text: Text, first: str | Text = "", rest: str = "") -> None:
    """Print `text`: wrapped as by `hang` in a terminal, in one line elsewhere."""
    whole = hang(text, out.width, first, rest) if out.is_terminal else Text.assemble(first, text)
    out.print(whole, soft_wrap=True)


def pack(parts: Iterable[Text], width: int) -> Text:
    """Return `parts` behind each other, wrapped between them, and within one only if it is wider than a line."""
    lines, line = list[Text](), Text()
    for part in parts:
        used = cell_len(line.plain.rpartition("\n")[2])
        if used and used + cell_len(part.plain.partition("\n")[0].rstrip()) > width:
            lines += wrap(line, width)
            line = Text()
        line.append_text(part)
    return Text("\n").join([*lines, *wrap(line, width)])


Parts = Sequence[Text] | Callable[[int], Sequence[Text]]
"""The parts of a value, each with the separator behind it; or a function that returns them for a width in cells."""


@frozen
class Fields:
    """Rows of a name and its value."""

    rows: Sequence[tuple[str, Parts]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the rows; where the values have no room beside the names they are below them."""
        margin = max((cell_len(name) for name, _ in self.rows), default=0) + len(_GAP) - 1
        beside = options.max_width - margin >= _BESIDE
        indent = margin if beside else 2
        for name, parts in self.rows:
            room = options.max_width - indent
            value = pack(parts(room) if callable(parts) else parts, room)
            first = name.ljust(margin) if beside else f"{name}\n  "
            yield hang(value, options.max_width, Text(first, "dim"), " " * indent)


@frozen
class Column:
    """A column of a table."""

    heading: str
    right: bool = False
    """Whether it is aligned to the right, as numbers are."""
    whole: bool = False
    """Whether its cells are never wrapped."""

    def least(self, cell: Text) -> int:
        """Return the width that `cell` needs so that no word is broken."""
        return cell.cell_len if self.whole else max(map(cell_len, cell.plain.split()), default=0)


SETTING_COLUMNS: Final = tuple(map(Column, ("setting", "value", "from")))
"""The columns of a table of settings."""


@frozen
class Grid:
    """A table. Where its columns have no room beside each other, each row stands as lines below its first cell."""

    columns: Sequence[Column]
    rows: list[Sequence[Text] | None] = field(factory=list[Sequence[Text] | None])
    """None leaves a line free."""

    def add(self, *cells: str | Text) -> None:
        """Add a row with a cell for each column."""
        self.rows.append([Text(cell) if isinstance(cell, str) else cell for cell in cells])

    def show(self, out: Console) -> None:
        """Print the table: within the width of a terminal, with one line per row elsewhere."""
        if out.is_terminal:
            out.print(self.fitted(out.width))
            return
        width = out.width
        try:
            out.width = _ANY
            out.print(self.fitted(_ANY))
        finally:
            out.width = width

    def fits(self, width: int) -> bool:
        """Whether the columns have room beside each other."""
        return self._widths(width) is not None

    def fitted(self, width: int) -> RenderableType:
        """Return the table for a terminal of `width` cells."""
        widths = self._widths(width)
        return Group(*self._stacked(width)) if widths is None else self._table(widths)

    def _widths(self, width: int) -> list[int] | None:
        """Return the width of each column; None when a word would be broken."""
        heads = [cell_len(column.heading) for column in self.columns]
        least, natural = heads.copy(), heads.copy()
        for row in filter(None, self.rows):
            for number, (column, cell) in enumerate(zip(self.columns, row, strict=True)):
                least[number] = max(least[number], column.least(cell))
                natural[number] = max(natural[number], min(width, max(map(cell_len, cell.plain.split("\n")))))
        natural = list(map(max, natural, least))
        room = width - 2 * len(self.columns) + 1
        if sum(least) > room:
            return None
        while sum(natural) > room:
            widest = max(range(len(natural)), key=lambda it: natural[it] if natural[it] > least[it] else 0)
            natural[widest] -= 1
        return natural

    def _table(self, widths: Sequence[int]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
        for column, width in zip(self.columns, widths, strict=True):
            table.add_column(column.heading.rstrip(), justify="right" if column.right else "left", width=width)
        for row in self.rows:
            if row is None:
                table.add_section()
            else:
                table.add_row(*(Text("\n").join(wrap(cell, width)) for cell, width in zip(row, widths, strict=True)))
        return table

    def _stacked(self, width: int) -> Iterator[Text]:
        for row in self.rows:
            if row is None:
                yield Text()
                continue
            yield hang(row[0], width, rest="  ")
            yield from _packed(self._named(row), width)

    def _named(self, row: Sequence[Text]) -> Iterator[Text]:
        for column, cell in zip(self.columns[1:], row[1:], strict=True):
            if cell.plain.strip():
                yield Text.assemble((f"{column.heading}: ", "dim"), cell)


def _packed(parts: Iterable[Text], width: int) -> Iterator[Text]:
    """Yield lines with as many parts as each has room for."""
    line = Text()
    for part in parts:
        if line and _MARGIN + line.cell_len + len(_GAP) + part.cell_len > width:
            yield hang(line, width, "  ", " " * _MARGIN)
            line = Text()
        line = Text.assemble(line, _GAP, part) if line else part
    if line:
        yield hang(line, width, "  ", " " * _MARGIN)


def _breaks(line: str, width: int) -> list[int]:
    """Return the offsets in `line` at which it is broken."""
    found: list[int] = []
    offset = used = 0
    for word in _pieces(line, width):
        visible = cell_len(word.rstrip(" "))
        if used and used + visible > width:
            found.append(offset)
            used = 0
        offset += len(word)
        used += cell_len(word)
    return found


def _pieces(line: str, width: int) -> Iterator[str]:
    """Yield the words of `line` with the spaces behind them; those wider than `width` in parts."""
    for word in _WORD.findall(line):
        if cell_len(word.rstrip(" ")) <= width:
            yield word
            continue
        for piece in _PIECE.findall(word):
            yield from [piece] if cell_len(piece.rstrip(" ")) <= width else _chopped(piece, width)


def _chopped(piece: str, width: int) -> Iterator[str]:
    start = used = 0
    for index, character in enumerate(piece):
        size = cell_len(character)
        if used and used + size > width:
            yield piece[start:index]
            start, used = index, 0
        used += size
    yield piece[start:]
