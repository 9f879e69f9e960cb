"""The timeouts of the client above: it bounds the connection and the silence in bytes, as its users know it."""

import builtins
from collections.abc import Callable
from typing import Any

from attrs import define

from unbroken import AsyncExchange, AsyncTransport, Exchange, Opening, Request, Response, TimeoutError, Transport


@define(eq=False)
class OwnTimeouts:
    """The timeouts that a client sets for a request, each in seconds, None for no limit."""

    now: Callable[[], float]
    connect: float | None
    read: float | None

    def shorten(self, opening: Opening) -> Opening:
        """Return deadlines that are not later than those of the client."""
        now = self.now()
        head = None if self.read is None else now + (self.connect or 0.0) + self.read
        return Opening(
            connect_deadline=_earlier(opening.connect_deadline, None if self.connect is None else now + self.connect),
            deadline=_earlier(opening.deadline, head),
        )

    def opened_late(self, own: Opening, given: Opening, error: builtins.TimeoutError) -> builtins.TimeoutError:
        """Return the error of a request that reached a deadline: the client's if that came first."""
        if own.phase == "connect" and own.connect_deadline != given.connect_deadline:
            return _error("no connection", "connect", self.connect)
        return self.read_late(own.deadline, given.deadline, error)

    def until(self, deadline: float | None) -> float | None:
        """Return the deadline of a read."""
        return deadline if self.read is None else _earlier(deadline, self.now() + self.read)

    def read_late(self, own: float | None, given: float | None, error: builtins.TimeoutError) -> builtins.TimeoutError:
        """Return the error of a read that reached its deadline: the client's if that came first."""
        return error if own == given else _error("no bytes", "read", self.read)


@define(eq=False)
class BoundedTransport:
    """Sends one request within the timeouts of its client."""

    inner: Transport
    timeouts: OwnTimeouts

    def open(self, request: Request, opening: Opening) -> Exchange:
        """Send `request`. Raises `unbroken.TimeoutError` if a timeout of the client expires first."""
        own = self.timeouts.shorten(opening)
        try:
            return BoundedExchange(self.inner.open(request, own), self.timeouts)
        except builtins.TimeoutError as error:
            raise self.timeouts.opened_late(own, opening, error) from None
        finally:
            opening.phase = own.phase

    def close(self) -> None:
        """Do nothing: the connections are not those of one request."""


class _Bounded:
    def __init__(self, inner: Any, timeouts: OwnTimeouts) -> None:
        self._inner = inner
        self._timeouts = timeouts
        self.response: Response = inner.response


class BoundedExchange(_Bounded):
    """Reads one response within the timeouts of its client."""

    def read(self, deadline: float | None) -> bytes:
        """Return the next bytes."""
        own = self._timeouts.until(deadline)
        try:
            data: bytes = self._inner.read(own)
        except builtins.TimeoutError as error:
            raise self._timeouts.read_late(own, deadline, error) from None
        return data

    def close(self, *, reusable: bool) -> None:
        """Close the exchange."""
        self._inner.close(reusable=reusable)


@define(eq=False)
class AsyncBoundedTransport:
    """Sends one request within the timeouts of its client."""

    inner: AsyncTransport
    timeouts: OwnTimeouts

    async def open(self, request: Request, opening: Opening) -> AsyncExchange:
        """Send `request`. Raises `unbroken.TimeoutError` if a timeout of the client expires first."""
        own = self.timeouts.shorten(opening)
        try:
            return AsyncBoundedExchange(await self.inner.open(request, own), self.timeouts)
        except builtins.TimeoutError as error:
            raise self.timeouts.opened_late(own, opening, error) from None
        finally:
            opening.phase = own.phase

    async def aclose(self) -> None:
        """Do nothing: the connections are not those of one request."""


class AsyncBoundedExchange(_Bounded):
    """Reads one response within the timeouts of its client."""

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes."""
        own = self._timeouts.until(deadline)
        try:
            data: bytes = await self._inner.read(own)
        except builtins.TimeoutError as error:
            raise self._timeouts.read_late(own, deadline, error) from None
        return data

    def abort(self) -> None:
        """Close the exchange at once."""
        self._inner.abort()

    async def aclose(self) -> None:
        """Close the exchange, which is complete."""
        await self._inner.aclose()


def _earlier(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


def _error(what: str, name: str, seconds: float | None) -> TimeoutError:
    message = f"{what} within {seconds:g} s (the {name} timeout of the client above)"
    return TimeoutError(message, timeout="connect" if name == "connect" else None, seconds=seconds)
