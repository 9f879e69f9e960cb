"""Sockets to listen on, and uvicorn servers on them."""

import contextlib
import errno
import os
import socket
from collections.abc import Generator
from typing import Any, Final

import uvicorn

from unbroken import ConfigurationError, Problem

from .protocol import bounded_head

GRACE: Final = 5
"""Seconds that uvicorn waits for answers after the gateway has ended them."""


def bind(address: str, setting: str) -> socket.socket:
    """Return a listening socket for ``host:port``; port 0 takes a free one. Raises ConfigurationError."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, int(port)), family=family, backlog=2048)
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigurationError.of(Problem(setting, _refusal(address, error), "configuration")) from None
    made.set_inheritable(True)
    made.setblocking(False)
    return made


def _refusal(address: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"{address} is in use by another program; port 0 takes a free one"
    why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    why = str(error) if why.startswith("Unknown error") else why  # os.strerror does not know the sockets of Windows
    return f"{address} cannot be listened on: {why}"


def url_of(listener: socket.socket) -> str:
    """Return the URL under which a listening socket is reached from this machine."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


class Listener(uvicorn.Server):
    """A server that leaves the signals to its owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Do nothing: several servers run in one process."""
        yield


def listener(app: Any, *, head_deadline: float, drain: float) -> Listener:
    """Return a server for `app`, which waits `drain` seconds for answers under way when it stops."""
    config = uvicorn.Config(
        app,
        http=bounded_head(head_deadline),
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=round(drain) + GRACE,
    )
    return Listener(config)
