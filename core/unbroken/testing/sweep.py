"""Cancels a call at every point where it can be cancelled."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator, Mapping
from functools import partial
from typing import Any, Literal

import anyio
from attrs import define

from .clock import FakeClock
from .runner import AsyncBackend, run

Held = Callable[[], int | Mapping[str, int]]
Swept = tuple[Callable[[], Coroutine[Any, Any, object]], Held]
By = Literal["scope", "task"]


def cancel_sweep(
    make_call: Callable[[FakeClock], Swept], *, backend: AsyncBackend = "asyncio", by: By = "scope", limit: int = 1000
) -> int:
    """Run a call many times, cancelling it at its first await, then at its second, and so on, until one run finishes.

    Returns the number of awaits at which it was cancelled. `make_call` is given a new clock for each run and returns
    two functions. The first is async and makes the whole call, with a client and plugins of its own. The second returns
    what is held: a number, or numbers by name, such as ``{"exchanges": transport.open_exchanges, "slots":
    limiter.taken}``; all must be 0 after each run. `by` says what is cancelled: the ``scope``, so that every later
    await fails too, or the ``task``, where only one await fails (asyncio only).

    Raises AssertionError if something is still held after a run, or if the call does not finish within `limit` awaits;
    ValueError for ``task`` in trio; and everything that the call raises except its cancellation.
    """
    if by == "task" and backend != "asyncio":
        raise ValueError("tasks are cancelled in asyncio alone; trio cancels scopes")
    cancelled = _by_task if by == "task" else _by_scope
    for at in range(1, limit + 1):
        clock = FakeClock()
        call, held = make_call(clock)
        point = _Point(at)
        run(cancelled, call, point, clock=clock, backend=backend)
        when = f"after a cancellation at await {at}" if point.reached else "after the call came to its end"
        if left := _left(held()):
            raise AssertionError(f"still held {when}: {left}")
        if not point.reached:
            return at - 1
    raise AssertionError(f"the call does not come to its end within {limit} awaits")


def _left(held: int | Mapping[str, int]) -> str:
    """Return in words what is held, empty if nothing is."""
    if not isinstance(held, Mapping):
        return str(held) if held else ""
    return ", ".join(f"{name} {count}" for name, count in held.items() if count)


@define
class _Point:
    """One of the awaits of a call, counted from 1."""

    at: int
    awaits: int = 0

    @property
    def reached(self) -> bool:
        """Whether the call has reached this await."""
        return self.awaits >= self.at

    @types.coroutine
    def within(self, call: Coroutine[Any, Any, object], cancel: Callable[[], object]) -> Generator[Any, Any, None]:
        """Run `call` in the task that awaits this, and call `cancel` at the await number `at`.

        An await is a point where the coroutine hands control to the event loop. Only there can it be cancelled.
        """
        step: Callable[[], Any] = partial(call.send, None)
        while True:
            try:
                trap = step()
            except StopIteration:
                return
            self.awaits += 1
            if self.awaits == self.at:
                cancel()
            try:
                step = partial(call.send, (yield trap))
            except BaseException as error:  # noqa: BLE001  # thrown into the call, which handles it or not
                step = partial(call.throw, error)


async def _by_scope(call: Callable[[], Coroutine[Any, Any, object]], point: _Point) -> None:
    with anyio.CancelScope() as scope:
        await point.within(call(), scope.cancel)


async def _by_task(call: Callable[[], Coroutine[Any, Any, object]], point: _Point) -> None:
    async def main() -> None:
        await point.within(call(), task.cancel)

    task = asyncio.ensure_future(main())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
