"""Which async backend runs the present task."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any, Protocol

from . import Network
from .aio_network import AsyncioNetwork


class AsyncNetwork(Network, Protocol):
    """A network of an event loop."""

    def call(self, function: Callable[[], object]) -> None:
        """Call `function` in the loop, from any thread. Raises RuntimeError when the loop is over."""
        ...

    def is_over(self) -> bool:
        """Whether nothing will run in the loop any more."""
        ...


def current_loop() -> Any:
    """Return what identifies the running loop: asyncio's loop, or trio's token. Raises RuntimeError without one."""
    trio: Any = sys.modules.get("trio")  # a task of trio's has imported it already
    if trio is not None and trio.lowlevel.in_trio_task():
        return trio.lowlevel.current_trio_token()
    return asyncio.get_running_loop()


def network_of(loop: Any) -> AsyncNetwork:
    """Return the network of what `current_loop` returned."""
    if isinstance(loop, asyncio.AbstractEventLoop):
        return AsyncioNetwork(loop)
    from .with_trio import TrioNetwork

    return TrioNetwork(loop)
