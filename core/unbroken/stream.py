"""The stream that a client returns: one call, iterated once."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import ClassVar, Generic, Self, final

from attrs import evolve

from ._engine.drivers import AsyncDriver, Driver
from ._engine.engine import Engine
from ._single import Single
from .call import Call, Outcome
from .clock import Clock
from .errors import Attempt
from .messages import E_co, Event, Response, Usage
from .transport import AsyncTransport, Transport


class _Stream(Single, Generic[E_co]):
    """The common part of the sync stream and the async stream."""

    _engine: Engine
    _instead: ClassVar[str] = "it is one call, and its events come once; keep the events or the text of them"
    _delivered = False
    """Whether the consumer was told that there are no more events."""
    _ready: Iterator[Event[E_co]] = iter(())
    """Events that may be delivered without asking the engine."""

    @property
    def request_id(self) -> str:
        """The id of the call, the same for all its attempts, events and errors."""
        return self._engine.call.id

    @property
    def response(self) -> Response | None:
        """The head (status and headers) of the current attempt's response; None until it has arrived."""
        return self._engine.call.response

    @property
    def attempts(self) -> int:
        """The number of attempts that have begun."""
        return self._engine.call.attempts

    @property
    def history(self) -> tuple[Attempt, ...]:
        """The attempts that failed so far."""
        return self._engine.call.history

    @property
    def outcome(self) -> Outcome | None:
        """How the call ended; None while it runs."""
        return self._engine.outcome

    @property
    def usage(self) -> Usage | None:
        """The tokens counted so far; None until the server has reported any."""
        return self._engine.call.usage

    @property
    def call(self) -> Call:
        """The call as plugins see it."""
        return self._engine.call

    @property
    def is_plain(self) -> bool:
        """Whether the request does not ask for a stream."""
        return self._engine.mode.plain

    @property
    def failed_by(self) -> Event[E_co] | None:
        """The event in which the server reported the failure of the last attempt; None if it was no event."""
        return None if self._engine.last is None else self._engine.last.failed_by

    @property
    def error_body(self) -> bytes:
        """The body, or its first 64 KiB, of an answer to the last attempt that was a failure and no stream."""
        return b"" if self._engine.last is None else self._engine.last.error_body

    def check(self, look: Callable[[Sequence[Event[E_co]]], object]) -> None:
        """Hold the answer until it is complete, and let `look` see its events before any is delivered.

        An Error that `look` raises is the failure of the attempt: policies see it and may try again. `look` is called
        once for each complete answer. Call this before the stream is entered; later it raises RuntimeError.
        """
        if self._engine.call.attempts:
            raise RuntimeError("the stream has been entered; give it the check before")
        self._engine.mode = evolve(self._engine.mode, commit="complete", check=look)

    def _check_complete(self) -> None:
        """Raise unless the stream is complete, so that part of an answer is never mistaken for all of it."""
        outcome = self.outcome
        if outcome is not None and outcome.error is not None:
            raise outcome.error
        if outcome is None or outcome.status != "success":
            raise RuntimeError("the stream was left before its end")

    def _begin(self) -> None:
        """Raise if the events have been delivered: an empty second iteration would look like an empty answer."""
        if self._delivered:
            raise RuntimeError("the events of this stream have been delivered; a stream can be iterated once")

    def text_of(self, event: Event) -> str | None:
        """Return the text in `event`, None if it has none: one piece of `text`, for a consumer that iterates events.

        Call it once for each event, in order. Raises StreamError as `text` does.
        """
        return self._engine.reader.text(event)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._engine.call!r}>"


@final
class Stream(_Stream[E_co]):
    """The events of one call. Use it with ``with``, then iterate it once."""

    def __init__(self, engine: Engine, transport: Transport, clock: Clock) -> None:
        self._engine = engine
        self._driver: Driver | None = None
        self._make: Callable[[], Driver] = lambda: Driver(engine.run(), transport, clock, engine.closing)

    def __enter__(self) -> Self:
        """Send the request, with retries as the plugins decide, and wait for the first content event.

        Raises the Error of a call that fails before it.
        """
        if self._driver is not None:
            raise RuntimeError("a stream can be entered once")
        self._driver = self._make()
        self._driver.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End the call if it has not ended. An Error of this call that leaves the block is then its failure."""
        if self._driver is not None:
            self._driver.leave(self._engine.found(exception))
            self._ready = iter(())

    def __iter__(self) -> Iterator[Event[E_co]]:
        """Return the iterator of the events, which raises the Error of a call that fails.

        Raises RuntimeError if all events have been delivered already.
        """
        self._begin()
        return self

    def __next__(self) -> Event[E_co]:
        for ready in self._ready:
            return ready
        event = self._more()
        if event is None:
            raise StopIteration
        return event

    def _more(self) -> Event[E_co] | None:
        """Return the first of the next events, None when all were delivered. Raises the Error of a call that failed."""
        if self._driver is None:
            raise RuntimeError("enter the stream first: with client.stream(...) as stream")
        event = self._driver.next_event()
        self._ready = self._driver.ready
        if event is None:
            self._check_complete()
            self._delivered = True
        return event

    def text(self) -> Iterator[str]:
        """Return an iterator over the text in the events, piece by piece, as the dialect extracts it."""
        pieces = map(self.text_of, self)
        return (piece for piece in pieces if piece is not None)

    def batches(self) -> Iterator[list[Event[E_co]]]:
        """Deliver the events in lists, those of one read together; at most 256, and one by one where a plugin watches.

        The events of a list are delivered with it.
        """
        self._begin()
        return iter(self._batch, [])

    def _batch(self) -> list[Event[E_co]]:
        events = list(self._ready)
        if not events and (first := self._more()) is not None:
            events = [first, *self._ready]
        return events


@final
class AsyncStream(_Stream[E_co]):
    """The events of one call. Use it with ``async with``, then iterate it once."""

    def __init__(self, engine: Engine, transport: AsyncTransport, clock: Clock) -> None:
        self._engine = engine
        self._driver: AsyncDriver | None = None
        self._make: Callable[[], AsyncDriver] = lambda: AsyncDriver(engine.run(), transport, clock, engine.closing)

    async def __aenter__(self) -> Self:
        """Send the request, with retries as the plugins decide, and wait for the first content event.

        Raises the Error of a call that fails before it.
        """
        if self._driver is not None:
            raise RuntimeError("a stream can be entered once")
        self._driver = self._make()
        await self._driver.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """End the call if it has not ended. An Error of this call that leaves the block is then its failure."""
        if self._driver is not None:
            await self._driver.leave(self._engine.found(exception))
            self._ready = iter(())

    def __aiter__(self) -> AsyncIterator[Event[E_co]]:
        """Return the iterator of the events, which raises the Error of a call that fails.

        Raises RuntimeError if all events have been delivered already.
        """
        self._begin()
        return self

    async def __anext__(self) -> Event[E_co]:
        for ready in self._ready:
            return ready
        event = await self._more()
        if event is None:
            raise StopAsyncIteration
        return event

    async def _more(self) -> Event[E_co] | None:
        """Return the first of the next events, None when all were delivered. Raises the Error of a call that failed."""
        if self._driver is None:
            raise RuntimeError("enter the stream first: async with client.stream(...) as stream")
        event = await self._driver.next_event()
        self._ready = self._driver.ready
        if event is None:
            self._check_complete()
            self._delivered = True
        return event

    def text(self) -> AsyncIterator[str]:
        """Return an iterator over the text in the events, piece by piece, as the dialect extracts it."""
        self._begin()
        return _AsyncText(self)

    def batches(self) -> AsyncIterator[list[Event[E_co]]]:
        """Deliver the events in lists, those of one read together; at most 256, and one by one where a plugin watches.

        The events of a list are delivered with it.
        """
        self._begin()
        return _AsyncBatches(self)

    async def _batch(self) -> list[Event[E_co]]:
        events = list(self._ready)
        if not events and (first := await self._more()) is not None:
            events = [first, *self._ready]
        return events


class _AsyncText:
    """An iterator that may be abandoned at any time, unlike an async generator, which stays open until collected."""

    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while True:
            piece = self._stream.text_of(await self._stream.__anext__())
            if piece is not None:
                return piece


class _AsyncBatches(Generic[E_co]):
    """The lists of events of a stream, one after the other."""

    def __init__(self, stream: AsyncStream[E_co]) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Event[E_co]]:
        events = await self._stream._batch()
        if not events:
            raise StopAsyncIteration
        return events
