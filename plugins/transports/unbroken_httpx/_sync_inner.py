"""The sync transport over a transport or client of the caller's.

httpx reads a timeout once and re-arms it with every byte, and a transport of the caller's may know none. So each
exchange runs in a thread of its own, and the thread of the consumer waits for its answers until the deadline.
"""

import builtins
import contextvars
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from unbroken.messages import Request, Response
from unbroken.transport import DRAIN_SECONDS, Opening, closed

from ._inner import failure, inner_request, reached_the_server, remaining, shut
from ._library import Library
from ._shared import DRAIN_BYTES, http_response, now

ENDED: Final = object()
"""The last answer of a thread."""


class InnerTransport:
    """Sends through `inner`."""

    def __init__(self, library: Library, inner: Any) -> None:
        self._library = library
        self._inner = inner
        self._closed = False
        self._under_way: set[InnerExchange] = set()

    def open(self, request: Request, opening: Opening) -> "InnerExchange":
        """Send `request` and return when the head of the response has arrived."""
        if self._closed:
            raise closed()
        made, timeouts = inner_request(self._library, request, opening)
        exchange = InnerExchange(self._library, lambda: self._send(made), self._under_way.discard)
        self._under_way.add(exchange)
        try:
            exchange.begin(opening)
        except BaseException:
            exchange.abort()
            raise
        timeouts["read"] = None  # from here on each read has a deadline of its own
        return exchange

    def _send(self, request: Any) -> Any:
        if isinstance(self._inner, self._library.httpx.Client):
            return self._inner.send(request, stream=True, follow_redirects=False)
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close `inner`; streams that are open fail."""
        self._closed = True
        for exchange in list(self._under_way):
            exchange.abort(closed())
        self._inner.close()

    def open_connections(self) -> int:
        return 0

    idle_connections = open_connections

    def requests_under_way(self) -> int:
        return len(self._under_way)


class InnerExchange:
    """One exchange, in a thread that gives one answer for each wish: the response, then pieces of its body."""

    response: Response

    def __init__(self, library: Library, send: Callable[[], Any], ended: Callable[["InnerExchange"], None]) -> None:
        self._library = library
        self._send = send
        self._ended = ended
        self._wishes: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._http: Any = None
        self._over: Exception | None = None
        """Why nothing can be read any more."""

    def begin(self, opening: Opening) -> None:
        """Wait for the head of the response."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._work,), name="unbroken-httpx", daemon=True).start()
        try:
            self._http = self._answer(opening.deadline)
        except Exception as error:
            if isinstance(error, builtins.TimeoutError) or reached_the_server(error, self._library):
                opening.phase = "headers"
            raise failure(error, self._library) from error
        opening.phase = "headers"
        self.response = http_response(self._http)

    def _work(self) -> None:
        response: Any = None
        try:
            response = self._send()
            self._answers.put(response)
            pieces = filter(None, iter(response.stream))  # only the end reads as nothing
            while self._wishes.get():
                self._answers.put(next(pieces, b""))
        except BaseException as error:  # noqa: BLE001  # it is the consumer's
            self._answers.put(error)
        finally:
            if response is not None:
                with suppress(Exception):
                    response.close()
            self._ended(self)
            self._answers.put(ENDED)

    def _answer(self, deadline: float | None) -> Any:
        try:
            answer = self._answers.get(timeout=remaining(deadline))
        except queue.Empty:
            self.abort(builtins.TimeoutError("the deadline has passed"))
            raise builtins.TimeoutError("the deadline has passed") from None
        if answer is ENDED:
            raise self._over or closed()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def read(self, deadline: float | None) -> bytes:
        """Return the next bytes, ``b""`` at the end. Raises builtin TimeoutError or NetworkError."""
        if self._over is not None:
            raise self._over
        self._wishes.put(True)
        try:
            piece: bytes = self._answer(deadline)
        except Exception as error:
            self._over = self._over or failure(error, self._library)
            if self._over is error:
                raise
            raise self._over from error
        return piece

    def abort(self, error: Exception | None = None) -> None:
        """End the exchange, and the reads that wait in it. Never waits."""
        self._over = self._over or error or closed()
        self._ended(self)  # its thread may have to wait for `inner` yet
        self._wishes.put(False)
        self._answers.put(self._over)
        if self._http is not None:
            shut(self._http)

    def close(self, *, reusable: bool) -> None:
        """Close the exchange; see `unbroken.transport.Exchange`."""
        try:
            if reusable and self._drained():
                return
        except Exception:  # noqa: BLE001, S110  # then it is simply not reused
            pass
        self.abort()

    def _drained(self) -> bool:
        deadline, seen = now() + DRAIN_SECONDS, 0
        while piece := self.read(deadline):
            seen += len(piece)
            if seen >= DRAIN_BYTES:
                return False
        self._over = closed()
        self._wishes.put(False)
        with suppress(queue.Empty):  # the connection is `inner`'s again when its thread has ended
            self._answers.get(timeout=remaining(deadline))
        return True
