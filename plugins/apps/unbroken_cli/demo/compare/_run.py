"""The rows, the participants, and one cell for each: a call in its own thread, against its own server."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from threading import Thread
from typing import Any, Final, TypeAlias

from attrs import define, evolve, frozen

from unbroken_faults import Fault, FaultServer, ReceivedRequest, parse_script

from .. import SCENARIOS, Expect, Scenario, Trial, error_label
from ._consumers import APIS, KEY, Api, Consumer, Heard

GIVE_UP: Final = 5.0
"""Seconds. Five times the silence that is allowed, so every call that ends by itself has ended."""
_WORKERS: Final = 8
_CLOSING: Final = 1.0
"""Seconds that the server has to notice a closed connection."""
_PARTING: Final = 5.0
"""Seconds that a consumer which was given up has to notice that its server is gone."""
_FIRST_CALL: Final = 20.0
"""Seconds for the first call of a consumer, which imports the SDK."""

ELSEWHERE: Final = "{elsewhere}"
"""Stands in a script for the URL of another server, which answers without faults."""

_LEFT_OUT: Final = {
    "slow-consumer",  # no consumer fails it
    "thinks",  # Chat Completions do not show it
    "pings-in-thought",
    "retry-after-a-day",  # a client that sleeps for a day cannot be woken
    "retries-exhausted",  # slow, and shows nothing that the other rows do not
}

_REDIRECT: Final = Scenario(
    name="redirect",
    title="307 to another origin",
    # An empty body, so that no consumer waits for one.
    script=f"redirect:location={ELSEWHERE}:body=",
    text="If you read this, your question went to another server.",
    expect=Expect(error="StreamError", words=0),
)

_RENAMED: Final = {
    "gzip": "200, gzip",  # some consumers ask for it
}

ROWS: Final = (
    *(evolve(row, title=_RENAMED.get(row.name, row.title)) for row in SCENARIOS if row.name not in _LEFT_OUT),
    _REDIRECT,
)

_WARM_UP: Final = evolve(ROWS[0], name="warm-up")


@define(eq=False)
class Cell(Trial):
    """One call of one consumer, after it ended or was given up."""

    given_up: float | None = None
    """Seconds after which the call was given up; None when it ended."""
    stop_reason: str | None = None
    asked_for_gzip: bool = False
    elsewhere: Sequence[ReceivedRequest] = ()
    """Requests that another origin received."""

    @property
    def outcome(self) -> str:
        """How the call ended, in a few words."""
        if self.given_up is not None:
            return f"hangs (given up after {self.given_up:g} s)"
        return "success" if self.error is None else error_label(self.error)

    @property
    def words(self) -> str:
        """The number of words that arrived and the number that the server intended to send."""
        meant = len(self.meant.split())
        return f"{len(self.text.split())}/{meant}" if meant else "-"

    @property
    def sort(self) -> str:
        """``hang``, ``error``, ``whole``, or ``partial`` for a success without the whole answer."""
        if self.given_up is not None:
            return "hang"
        if self.error is not None:
            return "error"
        return "whole" if self.meant and self.text == self.meant else "partial"

    def sent_elsewhere(self) -> dict[str, Any]:
        """Return what another origin received: how many requests, and whether with the prompt and with the key."""
        return {
            "requests": len(self.elsewhere),
            "prompt": any(request.body for request in self.elsewhere),
            "key": any(KEY in value for request in self.elsewhere for value in request.headers.values()),
        }


Place: TypeAlias = tuple[Api, Consumer]
Cells: TypeAlias = dict[tuple[str, Consumer], Cell]
"""Keyed by the name of the row and the consumer."""


@frozen
class Run:
    """Runs cells."""

    seed: int = 0
    give_up: float = GIVE_UP

    def all(self, rows: Sequence[Scenario], places: Sequence[Place], progress: Callable[[], None]) -> Cells:
        """Run every row with every consumer, several at a time. `progress` is called after each cell."""
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
        """Run one cell. Only a cell of Unbroken is judged."""
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
    except Exception as error:  # noqa: BLE001  # every error is what the consumer saw
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


def participants(seed: int = 0) -> tuple[list[Place], list[str]]:
    """Return the places of the comparison, each after a first call to warm up, and a line for each SDK left out."""
    places: list[Place] = []
    missing: list[str] = []
    absent: list[str] = []
    for api in APIS:
        theirs = api.theirs()
        if theirs is None:
            absent.append(api.package)
        elif problem := _first_call(api, theirs, seed):
            missing.append(f"{theirs} cannot be used here, its columns are left out: {problem}")
        else:
            places.append((api, theirs))
        ours = api.ours()
        _first_call(api, ours, seed)
        places.append((api, ours))
    if absent:
        names = " and ".join(absent)
        missing.append(f"Not installed, so left out: {names}. They join in after: pip install {' '.join(absent)}")
    return places, missing


def _first_call(api: Api, consumer: Consumer, seed: int) -> str | None:
    cell = Run(seed=seed, give_up=_FIRST_CALL).one(_WARM_UP, api, consumer)
    return None if cell.sort == "whole" else f"{cell.outcome}: {cell.error}"
