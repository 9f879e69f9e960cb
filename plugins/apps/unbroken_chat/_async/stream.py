"""The reply while it streams, for asyncio and trio."""

from collections.abc import AsyncIterator
from typing import Any, Generic, Self, TypeVar, final

from unbroken import AsyncStream, Event

from ..reply import Assembly, Read, Reply

T = TypeVar("T")


@final
class AsyncReplyStream(Assembly):
    """A reply while it streams. Use it with ``async with`` and iterate it once.

    Iterating it gives typed events, `events` gives raw events and `text` gives pieces of text. Each of them, and
    `reply`, continues where the one before stopped.
    """

    _stream: AsyncStream

    async def __aenter__(self) -> Self:
        """Send the request. Raises the Error of a call that failed before its first content."""
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stream.__aexit__(*exc)

    def __aiter__(self) -> AsyncIterator[Any]:
        """Iterate over typed events; an event of an unknown type is returned as an `Event`."""
        return _Each(aiter(self._stream), self._take_typed)

    def events(self) -> AsyncIterator[Event]:
        """Iterate over events as the server sent them: ``event["type"]``, ``event.request_id``."""
        return _Each(aiter(self._stream), self._take_raw)

    def text(self) -> AsyncIterator[str]:
        """Iterate over the pieces of text."""
        return _Each(aiter(self._stream), self._take_text)

    async def reply(self) -> Reply:
        """Read to the end and return the complete reply. Raises the Error of a call that failed."""
        if self._reply is None:
            async for _ in _Each(self._stream, self._take_raw):
                pass
        return self._finished()

    async def whole(self) -> Reply:
        """Send the request and return the complete reply. Not to be used within ``async with``.

        Nothing is shown before the end, so a reply that is cut, stalls or is broken is asked for again like a request
        that failed. Raises the Error of a call that failed.
        """
        self._stream.check(self._assemble)
        async with self._stream:
            async for _ in self._stream.batches():
                pass
        return self._finished()


class _Each(Generic[T]):
    """Iterate over what `read` makes of each event, leaving out None.

    A class, because a generator that is dropped half-way stays open until the garbage collector closes it.
    """

    def __init__(self, stream: AsyncIterator[Event], read: Read[T]) -> None:
        self._stream = stream
        self._read = read

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            value = self._read(await anext(self._stream))
            if value is not None:
                return value
