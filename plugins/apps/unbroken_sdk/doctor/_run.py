"""Runs the cells of one client, each a call in its own thread against its own server."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event, Thread
from time import monotonic
from typing import Any, Final

from attrs import define, evolve, field, frozen

from unbroken_faults import Fault, FaultServer, parse_script
from unbroken_retry import Retry
from unbroken_timeout import Timeout

from .._protect import protect
from ._cell import Cell
from ._client import KEY, Client
from ._rows import CONTROL, ELSEWHERE, Row

_WORKERS: Final = 16
BACK_OFF: Final = 0.1
"""Seconds before the first retry of Unbroken."""


@frozen(kw_only=True)
class Limits:
    """Seconds. The first two are for rows whose fault is one of time, the third is for all others."""

    silence: float = 1.0
    """The timeout of the client, and the first-event and idle timeouts of Unbroken."""
    give_up: float = 5.0
    """After this a call counts as one that hangs."""
    patience: float = 60.0

    def of(self, row: Row) -> tuple[float, float]:
        """Return the timeout for a call and the seconds after which it is given up."""
        return (self.silence, self.give_up) if row.waits else (self.patience, self.patience)


@define(eq=False)
class _Heard:
    """What a call has brought so far. Its thread may go on after the call was given up."""

    pieces: list[str] = field(factory=list[str])
    made: Event = field(factory=Event)
    """Set when the client is there, which takes its time, and the call begins."""
    started: float = field(factory=monotonic)
    error: BaseException | None = None
    seconds: float | None = None
    """How long the call took; None while it runs."""


def run(
    client: Client,
    rows: Sequence[Row],
    limits: Limits,
    done: Callable[[Cell], None],
    *,
    sides: Sequence[bool] = (False, True),
) -> None:
    """Run every row with `client`, bare (False) and under Unbroken (True), several at a time, the slow ones first.

    Each cell is handed to `done` when it has ended. Nothing follows if the bare client fails without a fault.
    """
    control = cell(client, CONTROL, limits, protected=False)
    done(control)
    if control.kind != "whole":
        return
    calls = [(row, protected) for row in rows for protected in sides if protected or row != CONTROL]
    calls.sort(key=lambda call: not call[0].waits)
    with ThreadPoolExecutor(1 if client.one_at_a_time else _WORKERS, thread_name_prefix="unbroken-doctor") as pool:
        for each in [pool.submit(cell, client, row, limits, protected=protected) for row, protected in calls]:
            done(each.result())


def cell(client: Client, row: Row, limits: Limits, *, protected: bool) -> Cell:
    """Make one call."""
    timeout, give_up = limits.of(row)
    with ExitStack() as stack:
        elsewhere = stack.enter_context(FaultServer(default=Fault(text=row.text)))
        script = parse_script(row.script.replace(ELSEWHERE, f"{elsewhere.url}{client.path}"))
        said = [evolve(fault, text=row.text) for fault in script]
        server = stack.enter_context(FaultServer(said, default=Fault(text=row.text)))
        heard = _Heard()
        arguments = (client, row, server.url, timeout, protected, heard)
        thread = Thread(target=_listen, args=arguments, daemon=True)  # one that hangs must not keep the process
        thread.start()
        heard.made.wait(limits.patience)
        thread.join(give_up)
        return _seen(heard, server, elsewhere, client=client, row=row, protected=protected, give_up=give_up)


def _listen(client: Client, row: Row, url: str, timeout: float, protected: bool, heard: _Heard) -> None:
    try:
        made = client.make(url, timeout)
        if protected:
            made = protect(made, [Timeout(first_event=timeout, idle=timeout), Retry(initial_delay=BACK_OFF)])
        heard.started = monotonic()
        heard.made.set()
        (client.plain if row.plain else client.stream)(made, heard.pieces.append)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is what the program saw
        heard.error = error
    heard.made.set()
    heard.seconds = monotonic() - heard.started


def _seen(
    heard: _Heard,
    server: FaultServer,
    elsewhere: FaultServer,
    *,
    client: Client,
    row: Row,
    protected: bool,
    give_up: float,
) -> Cell:
    hangs, error = heard.seconds is None, heard.error
    return Cell(
        client=client.name,
        row=row.name,
        protected=protected,
        text="".join(heard.pieces),
        meant=row.text,
        hangs=hangs,
        error=None if error is None or hangs else _label(error),
        typed=f"{type(error).__module__}.".startswith(tuple(f"{name}." for name in client.own)),
        message=None if error is None or hangs else str(error),
        requests=len(server.requests),
        elsewhere=len(elsewhere.requests),
        leaks_prompt=any(request.body for request in elsewhere.requests),
        leaks_key=any(KEY in value for request in elsewhere.requests for value in request.headers.values()),
        seconds=round(heard.seconds or give_up, 3),
    )


def _label(error: BaseException) -> str:
    status: Any = getattr(error, "status_code", None)
    return f"{type(error).__name__} ({status})" if isinstance(status, int) else type(error).__name__
