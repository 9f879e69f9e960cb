"""Running cells: each consumer in a thread of its own, against a server of its own, for so long and no longer."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from threading import Thread
from typing import Final, TypeAlias

from attrs import evolve, frozen

from unbroken_faults import Fault, FaultServer, parse_script

from ..demo import Scenario
from ._cell import Cell
from ._consumers import Api, Consumer
from ._heard import Heard
from ._rows import ELSEWHERE

GIVE_UP: Final = 5.0
"""Seconds. Five times the silence that is allowed; everything that ends by itself has ended by then."""
_WORKERS: Final = 8
_CLOSING: Final = 1.0
"""Seconds in which the server has to notice that a connection was closed."""
_PARTING: Final = 5.0
"""Seconds in which a consumer that was given up has to notice that its server is gone."""

Place: TypeAlias = tuple[Api, Consumer]
Cells: TypeAlias = dict[tuple[str, Consumer], Cell]
"""By the name of the row and the consumer."""


@frozen
class Run:
    """Runs cells."""

    seed: int = 0
    give_up: float = GIVE_UP

    def all(self, rows: Sequence[Scenario], places: Sequence[Place], progress: Callable[[], None]) -> Cells:
        """Run every row with every consumer, some of them at the same time; `progress` is called after each cell."""
        cells: Cells = {}
        pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="unbroken-compare")
        try:
            # The slow ones first, so that none of them is left to the end.
            slow_first = sorted(rows, key=lambda row: -row.expect.at_least)
            begun = {
                pool.submit(self.one, row, api, consumer): (row.name, consumer)
                for row in slow_first
                for api, consumer in places
            }
            for done in as_completed(begun):
                cells[begun[done]] = done.result()
                progress()
        finally:
            pool.shutdown(cancel_futures=True)
        return cells

    def one(self, row: Scenario, api: Api, consumer: Consumer) -> Cell:
        """Run one cell and judge it if it is Unbroken's."""
        heard = Heard()
        with ExitStack() as stack:
            elsewhere = stack.enter_context(FaultServer(default=Fault(text=row.text), seed=self.seed))
            script = parse_script(row.script.replace(ELSEWHERE, f"{elsewhere.url}{api.path}"))
            server = stack.enter_context(
                FaultServer([evolve(fault, text=row.text) for fault in script], seed=self.seed)
            )
            thread = Thread(target=_listen, args=(consumer, server.url, heard), daemon=True)
            thread.start()
            thread.join(self.give_up)
            cell = self._cell(row, heard)
            _take_note(cell, server, elsewhere, wait=consumer.ours)
        thread.join(_PARTING)
        if consumer.ours:
            cell.finish()
        return cell

    def _cell(self, row: Scenario, heard: Heard) -> Cell:
        hangs = heard.seconds is None
        return Cell(
            row,
            text=heard.text,
            error=None if hangs else heard.error,
            status="running" if hangs else "success" if heard.error is None else "failure",
            attempts=heard.attempts,
            seconds=self.give_up if heard.seconds is None else heard.seconds,
            given_up=self.give_up if hangs else None,
            stop_reason=heard.stop_reason,
        )


def _listen(consumer: Consumer, url: str, heard: Heard) -> None:
    try:
        consumer.listen(url, heard)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what the consumer saw
        heard.end(error)
    else:
        heard.end()


def _take_note(cell: Cell, server: FaultServer, elsewhere: FaultServer, *, wait: bool) -> None:
    if wait:
        with suppress(TimeoutError):
            server.wait_idle(_CLOSING)
        cell.left_open = server.connections
    requests = server.requests
    cell.requests = len(requests)
    cell.keys = len({request.headers.get("idempotency-key") for request in requests})
    cell.meant = server.replies[-1].text if requests else ""
    cell.asked_for_gzip = any("gzip" in request.headers.get("accept-encoding", "") for request in requests)
    cell.elsewhere = elsewhere.requests
