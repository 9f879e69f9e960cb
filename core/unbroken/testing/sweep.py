"""Cancelling a call wherever it can be cancelled."""

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
    """Cancel a call at its first await, then at its second … Returns at how many: the next time it came to its end.

    `make_call` is given a new clock each time. It returns a new call, which is an async function that does all of it,
    with a client and plugins of its own; and a function that says what is held: a number, or numbers by name, such as
    ``{"exchanges": transport.open_exchanges, "slots": limiter.taken}``, all of them 0 after each run. `by` cancels a
    scope, where every await fails from then on, or the task, where only one does (asyncio only).

    Raises AssertionError when something is held, and when the call does not come to its end within `limit` awaits.
    What the call raises other than its cancellation is raised here.
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
    """Say what is held, "" when it is nothing."""
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
        """Whether the call has come this far."""
        return self.awaits >= self.at

    @types.coroutine
    def within(self, call: Coroutine[Any, Any, object], cancel: Callable[[], object]) -> Generator[Any, Any, None]:
        """Run `call` in the task that awaits this, and `cancel` when it comes to the point.

        An await is where the coroutine hands control to the event loop: only there can it be cancelled.
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
            except BaseException as error:  # noqa: BLE001  # the call's own, to handle or to let pass
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
