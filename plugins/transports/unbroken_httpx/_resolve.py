"""Looking up names within a time limit: the system's resolver has none of its own."""

import concurrent.futures
import socket
import threading
from typing import Any


def addresses(host: str, port: int, seconds: float | None, core: Any) -> list[str]:
    """Return the addresses of `host`, in the system's order. Raises httpcore's ConnectError or ConnectTimeout."""
    answer: concurrent.futures.Future[list[str]] = concurrent.futures.Future()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # IDNA cannot encode every name
            reason = getattr(error, "strerror", None) or error
            answer.set_exception(core.ConnectError(f"the name {host!r} cannot be resolved: {reason}"))
        else:
            answer.set_result(list(dict.fromkeys(str(entry[4][0]) for entry in found)))

    # A daemon, because nothing can end a look-up that hangs.
    threading.Thread(target=look_up, name="unbroken-resolver", daemon=True).start()
    try:
        return answer.result(seconds)
    except concurrent.futures.TimeoutError:
        raise core.ConnectTimeout(f"the name {host!r} was not resolved in time") from None
