"""The stream that a client gives: one call, iterated once."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Self, final

from ._engine.drivers import AsyncDriver, Driver
from ._engine.engine import Engine
from .call import Outcome
from .clock import Clock
from .errors import Attempt
from .messages import Event, Response, Usage
from .transport import AsyncTransport, Transport


class _Stream:
    """What the blocking and the awaiting stream have in common."""

    _engine: Engine
    _delivered = False
    """Whether the consumer was told that there are no more events."""

    @property
    def request_id(self) -> str:
        """The id of the call, the same for all its attempts, events and errors."""
        return self._engine.call.id

    @property
    def response(self) -> Response | None:
        """The head of the response that the events come from."""
        return self._engine.call.response

    @property
    def attempts(self) -> int:
        """How many attempts were begun."""
        return self._engine.call.attempts

    @property
    def history(self) -> tuple[Attempt, ...]:
        """The attempts that failed before this one."""
        return self._engine.call.history

    @property
    def outcome(self) -> Outcome | None:
        """How the call ended; None while it runs."""
        return self._engine.outcome

    @property
    def usage(self) -> Usage | None:
        """The tokens counted so far; None before the server said anything."""
        return self._engine.call.usage

    def _check_complete(self) -> None:
        """Raise unless the stream is complete: a part of it is never taken for the whole."""
        outcome = self.outcome
        if outcome is not None and outcome.error is not None:
            raise outcome.error
        if outcome is None or outcome.status != "success":
            raise RuntimeError("the stream was left before its end")

    def _begin(self) -> None:
        """Raise when there is nothing left to iterate: an empty second pass would look like an empty answer."""
        if self._delivered:
            raise RuntimeError("the events of this stream have been delivered; a stream can be iterated once")

    def _text(self, event: Event) -> str | None:
        return self._engine.reader.text(event)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._engine.call!r}>"


@final
class Stream(_Stream):
    """The events of one call. Use it with ``with``, then iterate it once."""

    def __init__(self, engine: Engine, transport: Transport, clock: Clock) -> None:
        self._engine = engine
        self._driver: Driver | None = None
        self._make: Callable[[], Driver] = lambda: Driver(engine.run(), transport, clock, engine.closing)

    def __enter__(self) -> Self:
        """Send the request, and try again as the plugins say, until the first content event is here.

        Raises the Error of a call that failed before that.
        """
        if self._driver is not None:
            raise RuntimeError("a stream can be entered once")
        self._driver = self._make()
        self._driver.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._driver is not None:
            self._driver.leave()

    def __iter__(self) -> Iterator[Event]:
        """Deliver each event. Raises the Error of a call that failed, and RuntimeError once all are delivered."""
        self._begin()
        return self

    def __next__(self) -> Event:
        if self._driver is None:
            raise RuntimeError("enter the stream first: with client.stream(...) as stream")
        event = self._driver.next_event()
        if event is None:
            self._check_complete()
            self._delivered = True
            raise StopIteration
        return event

    def text(self) -> Iterator[str]:
        """Deliver the pieces of text of the events, as the dialect finds them."""
        pieces = map(self._text, self)
        return (piece for piece in pieces if piece is not None)


@final
class AsyncStream(_Stream):
    """The events of one call. Use it with ``async with``, then iterate it once."""

    def __init__(self, engine: Engine, transport: AsyncTransport, clock: Clock) -> None:
        self._engine = engine
        self._driver: AsyncDriver | None = None
        self._make: Callable[[], AsyncDriver] = lambda: AsyncDriver(engine.run(), transport, clock, engine.closing)

    async def __aenter__(self) -> Self:
        """Send the request, and try again as the plugins say, until the first content event is here.

        Raises the Error of a call that failed before that.
        """
        if self._driver is not None:
            raise RuntimeError("a stream can be entered once")
        self._driver = self._make()
        await self._driver.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._driver is not None:
            await self._driver.leave()

    def __aiter__(self) -> AsyncIterator[Event]:
        """Deliver each event. Raises the Error of a call that failed, and RuntimeError once all are delivered."""
        self._begin()
        return self

    async def __anext__(self) -> Event:
        if self._driver is None:
            raise RuntimeError("enter the stream first: async with client.stream(...) as stream")
        event = await self._driver.next_event()
        if event is None:
            self._check_complete()
            self._delivered = True
            raise StopAsyncIteration
        return event

    def text(self) -> AsyncIterator[str]:
        """Deliver the pieces of text of the events, as the dialect finds them."""
        self._begin()
        return _AsyncText(self)


class _AsyncText:
    """An iterator that can be dropped at any time; an async generator would linger until it is collected."""

    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while True:
            piece = self._stream._text(await self._stream.__anext__())
            if piece is not None:
                return piece
