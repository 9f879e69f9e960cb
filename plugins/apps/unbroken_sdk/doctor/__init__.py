"""What a program sees of twenty faults with the clients that are installed: bare, and under Unbroken.

`diagnose` makes the calls, each client in a process of its own, against the embedded fault server. All traffic stays on
the loopback interface. `unbroken doctor` prints the report.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import Final

from ._cell import Cell, Kind
from ._client import Client, Say
from ._clients import CLIENTS
from ._process import examine
from ._report import BEGIN, END, PageError, Report, around
from ._rows import CONTROL, FAULTS, ROWS, Row
from ._run import BACK_OFF, Limits, run

__all__ = (
    "BACK_OFF",
    "BEGIN",
    "CLIENTS",
    "CONTROL",
    "END",
    "FAULTS",
    "ROWS",
    "Cell",
    "Client",
    "Kind",
    "Limits",
    "PageError",
    "Report",
    "Row",
    "Say",
    "around",
    "diagnose",
    "run",
)

_AT_ONCE: Final = 2
"""Clients at a time: importing one keeps a processor busy for seconds."""
_LIMITS: Final = Limits()


def diagnose(
    clients: Sequence[Client],
    rows: Sequence[Row] = FAULTS,
    *,
    limits: Limits = _LIMITS,
    progress: Callable[[], None] = lambda: None,
) -> Report:
    """Make every call of `rows` with each of `clients`, bare and under Unbroken. `progress` is called after each."""
    started = monotonic()
    rows = (CONTROL, *(row for row in rows if row != CONTROL))
    cells: dict[tuple[str, str, bool], Cell] = {}

    def take(cell: Cell) -> None:
        cells[cell.client, cell.row, cell.protected] = cell
        progress()

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="unbroken-doctor") as pool:
        wanted = [client.rows(rows) for client in clients]
        ends = list(pool.map(partial(examine, limits=limits, done=take), clients, wanted))
    whole = [client for client in clients if all((client.name, row.name, True) in cells for row in client.rows(rows))]
    return Report(
        clients=whole,
        rows=rows,
        limits=limits,
        cells={key: cell for key, cell in cells.items() if key[0] in {client.name for client in whole}},
        missing=[
            f"{client.name} {client.version} cannot be examined here: {end or _failed(cells, client)}"
            for client, end in zip(clients, ends, strict=True)
            if client not in whole
        ],
        seconds=monotonic() - started,
    )


def _failed(cells: dict[tuple[str, str, bool], Cell], client: Client) -> str:
    cell = cells[client.name, CONTROL.name, False]
    return f"it fails without a fault: {cell.saw}: {cell.message}"
