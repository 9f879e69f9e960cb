"""Sockets of three backends behind one small interface.

All of it is `async`, and under the sync backend nothing ever waits in an await: `unbroken._wire.sockets.sync.run` runs
such a coroutine to its end. So what lies above is written once.
"""

import select
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final, Protocol

from ..places import Gate

READ_SIZE: Final = 64 * 1024
"""Bytes that are read at once."""
BUFFER: Final = 256 * 1024
"""Bytes that a connection buffers before it stops reading."""

HAS_POLL: Final = hasattr(select, "poll")
CLOSED_HERE: Final = "the connection was closed on this side"


class Socket(Protocol):
    """A connected socket. `abort` may be called by any thread; everything else by one at a time."""

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes, ``b""`` at the end. Raises OSError; builtin TimeoutError past `deadline`."""
        ...

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Send `data`. Raises OSError; builtin TimeoutError past `deadline`."""
        ...

    async def start_tls(self, context: ssl.SSLContext, name: str, deadline: float | None) -> None:
        """Shake hands with a server that has to be `name`. Raises OSError; builtin TimeoutError past `deadline`."""
        ...

    def is_quiet(self) -> bool:
        """Whether it is open, everything was sent and there is nothing to read."""
        ...

    def abort(self) -> None:
        """Close it at once. A read or write that is under way raises OSError."""
        ...


class Attempt(Protocol):
    """A socket that is being connected."""

    done: bool
    error: OSError | None
    raw: socket.socket

    def abort(self) -> None:
        """Make the attempt fail at once; any thread may call it."""
        ...

    def abandon(self) -> None:
        """Close the socket, when nothing waits for it."""
        ...


class Network(Protocol):
    """One backend, in one event loop."""

    def gate(self) -> Gate:
        """Return a new gate."""
        ...

    def begin(self, raw: socket.socket, address: Any) -> Attempt:
        """Begin to connect `raw`, which does not block."""
        ...

    async def wait(self, attempts: Sequence[Attempt], until: float | None) -> None:
        """Return when one of `attempts` is done, or at `until`."""
        ...

    async def adopt(self, attempt: Attempt) -> Socket:
        """Return the socket of an attempt that has succeeded."""
        ...


def readable(raw: socket.socket) -> bool:
    """Return whether there is anything to read, the end included, or the socket is closed."""
    number = raw.fileno()
    if number < 0:
        return True
    if not HAS_POLL:  # pragma: no cover  # Windows
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
