"""Runs async code in virtual time, under asyncio or trio.

The two backends hand time over in opposite directions:

===================  ======================================  ===================================================
                     asyncio                                 trio
===================  ======================================  ===================================================
source of time       the `FakeClock`; the loop reads it      trio's `MockClock`; the `FakeClock` follows it
all tasks wait       the loop calls ``select(timeout)``      `wait_all_tasks_blocked` returns in `_jump`
time then moves by   `_Selector`: it advances the            `_jump`: it moves the `MockClock` to the next
                     `FakeClock` by `timeout`                deadline
there is no timer    ``select(None)``: wait `_GRACE` real    look `_GLANCES` times in `_GRACE` real seconds, then
                     seconds for a thread, then raise        cancel the scope; the cancelled scope raises
===================  ======================================  ===================================================

Example in asyncio: at 1000.0 the only task awaits ``sleep(5)``. The loop sets a timer for 1005.0 and calls
``select(5.0)``. No socket is ready, so `_Selector` advances the clock to 1005.0 and returns; the loop finds the timer
due and resumes the task. No real time has passed.
"""

import asyncio
import math
import selectors
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any, Literal, TypeVar, TypeVarTuple

import anyio

from .clock import FakeClock

if TYPE_CHECKING:
    import trio.testing

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
AsyncBackend = Literal["asyncio", "trio"]

# Real seconds. In virtual time only a worker thread that is about to report back is worth a real wait.
_GRACE = 5.0
_GLANCES = 100

_HANG = "all tasks wait, and no timer is set: this would hang"


def run(
    function: Callable[..., Awaitable[T]],
    *arguments: Any,
    clock: FakeClock | None = None,
    backend: AsyncBackend = "asyncio",
) -> T:
    """Run the async `function` in virtual time and return its result.

    Whenever all tasks wait, `clock` jumps to the next timer. Raises RuntimeError if all tasks wait and there is no
    timer: the program would hang.
    """
    clock = FakeClock() if clock is None else clock
    if backend == "trio":
        return _run_trio(function, arguments, clock)
    options = {"loop_factory": lambda: _Loop(clock)}
    return anyio.run(function, *arguments, backend="asyncio", backend_options=options)


def _run_trio(function: Callable[..., Awaitable[T]], arguments: tuple[Any, ...], clock: FakeClock) -> T:
    import trio
    import trio.testing

    mock = trio.testing.MockClock()

    async def attached() -> T:
        clock.attach(mock.current_time, mock.jump)
        try:
            with trio.CancelScope() as scope:
                trio.lowlevel.spawn_system_task(_jump, mock, scope)
                return await function(*arguments)
            raise RuntimeError(_HANG)
        finally:
            clock.detach()

    return trio.run(attached, clock=mock)  # anyio.run, before 4.14, does not pass the clock on


async def _jump(mock: "trio.testing.MockClock", scope: "trio.CancelScope") -> None:
    """Move `mock` to the next timer whenever all tasks wait. Cancel `scope` if there is none.

    The clock can move by itself (`autojump_threshold`), but would wait forever if there is no timer.
    """
    import trio.testing

    glances = 0
    while glances <= _GLANCES:
        await trio.testing.wait_all_tasks_blocked(_GRACE / _GLANCES if glances else 0)
        seconds = trio.lowlevel.current_statistics().seconds_to_next_deadline
        if seconds == math.inf:
            glances += 1
        else:
            glances = 0
            mock.jump(max(seconds, 0.0))
    scope.cancel()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is a `FakeClock`."""

    def __init__(self, clock: FakeClock) -> None:
        self._fake = clock
        super().__init__(_Selector(clock))

    def time(self) -> float:
        return self._fake.monotonic()

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if when == math.inf:  # otherwise the loop would wake up again and again to look at its clock
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)


class _Selector(selectors.DefaultSelector):
    """A selector that moves the clock to the next timer instead of waiting for it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(_GRACE if timeout is None else 0)
        if not ready and timeout is None:
            raise RuntimeError(_HANG)
        if not ready and timeout is not None and timeout > 0:
            self._clock.advance(timeout)
        return ready
