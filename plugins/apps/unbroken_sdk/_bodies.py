"""The body of an answer, as the client above reads it: the bytes of the stream, and behind them what went wrong."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar, Literal

from unbroken import AsyncStream, Error, Stream
from unbroken.framing import Framing

from ._answers import exception, is_error
from ._bare import BareEvents, ignores_errors, reads_bare_events

Errors = Literal["event", "raise"]


class _Body:
    library: ClassVar[Any]
    _ended = False

    def __init__(self, stream: Any, request: Any, errors: Errors) -> None:
        self._stream = stream
        self._batches = stream.batches()
        self._framing: Framing = stream.call.dialect.framing(stream.response)  # a stream may go on in another answer
        self._request = request
        self._errors: Errors = "raise" if ignores_errors(request) else errors
        bare = not stream.is_plain and reads_bare_events(request)
        self._bare = BareEvents(self._framing) if bare else None

    def _handed(self, piece: bytes) -> bytes:
        return piece if self._bare is None else self._bare.of(piece)

    def _late(self, error: Error) -> bytes:
        """Return the error event that tells a failure behind the first content. Raises the exception without one."""
        self._ended = True
        stream: Stream | AsyncStream = self._stream
        if self._errors == "event" and not stream.is_plain:
            call, told = stream.call, stream.failed_by
            known = told is not None and is_error(told.raw) and self._bare is None
            event = told if known else call.dialect.error_event_for(call, error)
            if event is not None:
                return self._handed(self._framing.encode(event))
        raise exception(self.library, error, self._request) from error


class Body(_Body):
    """The body for a sync client. A class, not a generator, which would stay open when it is dropped."""

    _stream: Stream

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        try:
            return self._handed(b"".join([event.raw for event in next(self._batches)]))
        except StopIteration:
            self._ended = True
            raise
        except Error as error:
            return self._late(error)

    def close(self) -> None:
        """Leave the call if it has not ended."""
        self._ended = True
        self._stream.__exit__(None, None, None)


class AsyncBody(_Body):
    """The body for an async client. A class, not an async generator, which would stay open when it is dropped."""

    _stream: AsyncStream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        try:
            return self._handed(b"".join([event.raw for event in await anext(self._batches)]))
        except StopAsyncIteration:
            self._ended = True
            raise
        except Error as error:
            return self._late(error)

    async def aclose(self) -> None:
        """Leave the call if it has not ended."""
        self._ended = True
        await self._stream.__aexit__(None, None, None)
