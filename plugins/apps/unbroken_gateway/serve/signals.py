"""Signals, in every event loop. Those of Windows have no signal handlers, and Windows has no SIGHUP."""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
HANG_UP: Final[int | None] = getattr(signal, "SIGHUP", None)


def on_signals(stop: Callable[[], None], hang_up: Callable[[], None]) -> None:
    """Call `stop` in the running loop at SIGTERM and SIGINT, and `hang_up` at SIGHUP where there is one."""
    for number in STOPPING:
        _on(number, stop)
    if HANG_UP is not None:
        _on(HANG_UP, hang_up)


def _on(number: int, call: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()

    def handler(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)

    try:
        loop.add_signal_handler(number, call)
    except NotImplementedError:
        signal.signal(number, handler)
