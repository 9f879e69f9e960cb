"""One HTTP request and its answer over ASGI. It watches for the client's leaving from the first byte."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

from attrs import define, field

from .edge.head import new_request_id
from .replies.answers import Answer, render, request_ids
from .replies.errors import Problem, Refused, body_timed_out, body_too_large
from .replies.frames import Form
from .values import DialectName

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
RawHeaders: TypeAlias = list[tuple[bytes, bytes]]

LINGER: Final = 2.0
"""Seconds in which a client that was answered early may send the rest of its body before the connection is closed."""
_TIMED_OUT: Final = 408  # what did not come in a minute is not waited for
ABORT: Final = "unbroken.abort"
"""The extension of the scope by which our own server ends a connection at once, whatever is still to be sent."""


class ClientGone(Exception):
    """The client has left, or was cut because it does not read."""


@define(eq=False, repr=False)
class Exchange:
    """One request: its head, its body as it arrives, and its answer as it is sent."""

    scope: Scope
    _receive: Receive
    _send: Send
    id: str = field(factory=new_request_id, init=False)
    """Our own id of the request, unique."""
    shown_id: str = field(init=False)
    """The id that the client sees: its own if it sent a proper one."""
    dialect: DialectName = field(default="anthropic", init=False)
    """In whose form errors are told."""
    form: Form = field(default="messages", init=False)
    """In whose form failures are told in a stream."""
    shared: bool = field(default=False, init=False)
    """Whether a header decides the dialect."""
    headers: RawHeaders = field(factory=RawHeaders, init=False)
    """Those that every answer to this request has."""
    left: bool = field(default=False, init=False)
    """Whether the client has left."""
    cut: bool = field(default=False, init=False)
    """Whether the gateway ends the request because it stops."""
    follows: bool = field(default=False, init=False)
    """Whether it reads a stream that is produced in this process, and so ends with it."""
    status: int = field(default=0, init=False)
    """The status that was sent; 0 before."""
    ended: bool = field(default=False, init=False)
    """Whether the answer is complete. Servers tell of a disconnect then, too, but the client has left nothing."""
    max_body: int = field(default=0, init=False)
    send_deadline: float = field(default=30.0, init=False)
    _chunks: list[bytes] = field(factory=list[bytes], init=False)
    _size: int = field(default=0, init=False)
    _whole: asyncio.Event = field(factory=asyncio.Event, init=False)
    """Set when the body is here or too long."""
    _sent: asyncio.Event = field(factory=asyncio.Event, init=False)
    """Set when the client has sent all of it."""
    _handler: "asyncio.Task[None] | None" = field(default=None, init=False)
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _sending_at: float | None = field(default=None, init=False)
    """When the present send began, by the loop's clock."""
    _watchdog: asyncio.TimerHandle | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.shown_id = self.id

    async def run(self, handle: Callable[["Exchange"], Awaitable[None]]) -> None:
        """Run `handle`, and cancel it as soon as the client leaves."""
        self._handler = asyncio.ensure_future(_awaited(handle(self)))
        watch = asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait((self._handler, watch), return_when=asyncio.FIRST_COMPLETED)
            if self.left:
                self._handler.cancel()
            await asyncio.wait((self._handler,))
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wait((self._handler,))
            raise
        finally:
            watch.cancel()
            if self._watchdog is not None:
                self._watchdog.cancel()
        if not self._handler.cancelled():
            self._handler.result()

    def stop(self) -> None:
        """End the request because the gateway stops: the handler is cancelled and tells the client."""
        if self._handler is not None and not self._handler.done():
            self.cut = True
            self._handler.cancel()

    async def _watch(self) -> None:
        """Take what the client sends, until it leaves."""
        try:
            while (message := await self._receive())["type"] != "http.disconnect":
                self._take(message)
        finally:
            self.left = self.left or not self.ended

    def _take(self, message: Message) -> None:
        chunk = message.get("body", b"")
        self._size += len(chunk)
        if self._size <= self.max_body:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()
        if not message.get("more_body"):
            self._sent.set()
        if self._sent.is_set() or self._size > self.max_body:
            self._whole.set()

    async def body(self, deadline: float) -> bytes:
        """Return the body. Raises Refused if it is longer than `max_body` or not here in `deadline` seconds."""
        try:
            async with asyncio.timeout(deadline):
                await self._whole.wait()
        except TimeoutError:
            raise Refused(body_timed_out()) from None
        if self._size > self.max_body:
            raise Refused(body_too_large())
        body = b"".join(self._chunks)
        self._chunks.clear()
        return body

    async def answer(self, answer: Answer) -> None:
        """Send a whole answer."""
        status, headers, body = answer
        whole = self._whole.is_set() and self._size <= self.max_body
        closing = [] if whole or self.scope["method"] in {"GET", "HEAD", "OPTIONS"} else [(b"connection", b"close")]
        await self._start(status, [*headers, *self.headers, *closing])
        if closing and status != _TIMED_OUT:
            # RFC 9112 §9.6: a connection that is closed while the client sends is reset, and the answer may be lost.
            await self._put({"type": "http.response.body", "body": body, "more_body": True})
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    await self._sent.wait()
            body = b""
        await self._put({"type": "http.response.body", "body": body})

    async def answer_json(self, body: bytes, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Send a whole answer with JSON."""
        fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self.answer((status, [*fields, (b"cache-control", b"no-store"), *self.ids(), *headers], body))

    def ids(self) -> RawHeaders:
        """Return the headers with the request id."""
        return [(name.encode(), value.encode()) for name, value in request_ids(self.dialect, self.shown_id)]

    async def refuse(self, problem: Problem) -> None:
        """Send the answer that tells `problem`."""
        await self.answer(render(problem, self.dialect, self.shown_id, shared=self.shared))

    async def open(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Send the head of a stream."""
        await self._start(200, [*headers, *self.ids(), *self.headers])

    async def write(self, data: bytes, more: bool = True) -> None:
        """Send a part of the stream. Raises ClientGone if the client does not read it in `send_deadline` seconds."""
        await self._put({"type": "http.response.body", "body": data, "more_body": more})

    async def _start(self, status: int, headers: RawHeaders) -> None:
        self.status = status
        await self._put({"type": "http.response.start", "status": status, "headers": headers})

    async def _put(self, message: Message) -> None:
        if self.left:
            raise ClientGone
        self.ended = message["type"] == "http.response.body" and not message.get("more_body")
        self._sending_at = self._loop.time()
        if self._watchdog is None:
            self._watch_sending(self.send_deadline)
        try:
            await self._send(message)
        except OSError:
            raise ClientGone from None
        finally:
            self._sending_at = None

    @property
    def sending(self) -> bool:
        """Whether the client has not taken the last message yet."""
        return self._sending_at is not None

    def _watch_sending(self, seconds: float) -> None:
        self._watchdog = self._loop.call_later(seconds, self._look_at_sending)

    def _look_at_sending(self) -> None:
        """End the request if the client has not read for `send_deadline` seconds. One timer serves many sends."""
        since = self._sending_at
        passed = 0.0 if since is None else self._loop.time() - since
        if passed < self.send_deadline:
            self._watch_sending(self.send_deadline - passed)
            return
        self.abort()
        if self._handler is not None:
            self._handler.cancel()

    def abort(self) -> None:
        """End the connection at once."""
        self.left = True
        extensions: dict[str, Any] = self.scope.get("extensions") or {}
        abort = extensions.get(ABORT)
        if abort is not None:
            abort()


async def _awaited(awaitable: Awaitable[None]) -> None:
    await awaitable
