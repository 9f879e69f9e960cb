"""All that was seen: a verdict, a JSON document, and the table of a page."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from attrs import asdict, frozen

from ._cell import Cell
from ._client import Client
from ._rows import Row
from ._run import Limits

BEGIN: Final = "<!-- unbroken doctor: begin -->"
END: Final = "<!-- unbroken doctor: end -->"


class PageError(ValueError):
    """A page has no place for the table."""


@frozen(kw_only=True)
class Report:
    """The cells of all clients that could be examined."""

    clients: Sequence[Client]
    rows: Sequence[Row]
    limits: Limits
    cells: dict[tuple[str, str, bool], Cell]
    """By client, row, and whether it is under Unbroken."""
    missing: Sequence[str]
    """A line for each client that was to be examined and could not be, with the reason."""
    seconds: float

    @property
    def problems(self) -> list[str]:
        """A line for each call under Unbroken whose end a program cannot trust."""
        return [
            f"{cell.client}, {cell.row}: {cell.saw}" + (", and a request to another origin" if cell.elsewhere else "")
            for cell in self.cells.values()
            if cell.protected and not cell.good
        ]

    @property
    def ok(self) -> bool:
        """Whether a program can trust the end of each call under Unbroken."""
        return not self.problems

    def pair(self, client: Client, row: Row) -> tuple[Cell, Cell]:
        """Return what a program sees of a fault that `client` has, with the bare client, and under Unbroken."""
        return self.cells[client.name, row.name, False], self.cells[client.name, row.name, True]

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON object; times in seconds."""
        return {
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "limits": asdict(self.limits),
            "missing": list(self.missing),
            "clients": [
                {
                    "name": client.name,
                    "version": client.version,
                    "rows": [self._row(client, row) for row in client.rows(self.rows)],
                }
                for client in self.clients
            ],
        }

    def _row(self, client: Client, row: Row) -> dict[str, Any]:
        bare, protected = map(_document, self.pair(client, row))
        return {"name": row.name, "fault": row.title, "script": row.script, "bare": bare, "protected": protected}

    def page(self, text: str) -> str:
        """Return the page `text` with this report between its two markers. Raises PageError without them."""
        before, after = around(text)
        return "\n".join([f"{before}{BEGIN}", "", *self._table(), "", f"{END}{after}"])

    def _table(self) -> Iterator[str]:
        heads = [head for client in self.clients for head in (f"{client.name} {client.version}", "under Unbroken")]
        yield _line(["fault", *heads])
        yield "|---" * (1 + len(heads)) + "|"
        for row in self.rows:
            yield _line([row.title, *(each for client in self.clients for each in self._both(client, row))])

    def _both(self, client: Client, row: Row) -> list[str]:
        return [_shown(each) for each in self.pair(client, row)] if client.rows([row]) else ["", ""]


def around(text: str) -> tuple[str, str]:
    """Return what is before and behind the markers of a page. Raises PageError without them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise PageError(f"the page has no lines {BEGIN} and {END}")
    return before, after


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(cell: Cell) -> str:
    return f"{cell.saw}, {cell.counted}, {'>' if cell.hangs else ''}{cell.seconds:.1f} s"


def _document(cell: Cell) -> dict[str, Any]:
    held = asdict(cell)
    for name in ("client", "row", "protected"):
        del held[name]
    return {"kind": cell.kind, "saw": cell.saw, **held}
