"""What both backends share of sending through a transport or client of the caller's, by public names alone."""

import builtins
import socket
from contextlib import suppress
from typing import Any

from unbroken.messages import Request
from unbroken.transport import Opening

from ._library import Library
from ._shared import now, translated


def inner_request(library: Library, request: Request, opening: Opening) -> tuple[Any, dict[str, float | None]]:
    """Return httpx's request, and its timeouts, which may be changed while it is under way."""
    connect, total = remaining(opening.connect_deadline), remaining(opening.deadline)
    timeouts = {"connect": connect, "pool": connect, "read": total, "write": total}
    made = library.httpx.Request(
        request.method,
        request.url,
        headers=list(request.headers.items_raw),
        content=request.content,
        extensions={"timeout": timeouts},
    )
    return made, timeouts


def remaining(deadline: float | None) -> float | None:
    """Return the seconds until a deadline, 0 when it has passed, None when there is none."""
    return None if deadline is None else max(0.0, deadline - now())


def reached_the_server(error: BaseException, library: Library) -> bool:
    """Whether `error` says that a connection stood."""
    known = isinstance(error, library.httpx.TransportError)
    return known and not isinstance(error, library.opening_failures)


def shut(response: Any) -> None:
    """Shut the socket of a response, which ends a read that another thread waits in. HTTP/2 shares its socket."""
    stream = response.extensions.get("network_stream")
    if stream is None or response.extensions.get("http_version") == b"HTTP/2":
        return
    with suppress(Exception):
        found = stream.get_extra_info("socket")
        if isinstance(found, socket.socket):
            # Not by the method of ssl.SSLSocket, after which the other thread would read on without TLS.
            socket.socket.shutdown(found, socket.SHUT_RDWR)
        else:
            found.shutdown(socket.SHUT_RDWR)


def failure(error: Exception, library: Library) -> Exception:
    """Return what to raise for `error`. A TimeoutError is the deadline's: the library wraps those of the system."""
    return error if type(error) is builtins.TimeoutError else translated(error, library)
