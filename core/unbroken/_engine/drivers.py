"""Performing the effects of the engine: the same few steps twice, once blocking and once awaiting."""

import contextlib
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, cast

import anyio.lowlevel

from ..clock import Clock
from ..errors import NetworkError
from ..messages import Event, Response
from ..transport import AsyncExchange, AsyncTransport, Exchange, Transport
from .closing import Closing, closed
from .effects import READY, Close, Effect, Leave, Open, Pause, Read, Sleep, Steps

Step = Effect | Event | None
"""What the engine wants next; None when it has come to its end."""

_DROPPED = "a stream was dropped without leaving its `with` block"
_TWO_CONSUMERS = "another task or thread is reading this stream"


class _Runner:
    """The engine's generator, without the StopIteration that must not cross a coroutine and without `Leave`."""

    _performing = False
    """Whether an effect is being performed: a second consumer would take the generator's answer from the first."""

    def __init__(self, steps: Steps[None], clock: Clock, closing: Closing) -> None:
        self._generator = steps
        self._clock = clock
        self._closing = closing
        self._send: Callable[[object], Effect | Event] = steps.send  # bound once: it is called for every event

    def send(self, result: object) -> Step:
        try:
            return self._send(result)
        except (StopIteration, Leave):
            return None

    def _clash(self, error: ValueError) -> Exception:
        """Return what to raise when asking for the next step raised `error`."""
        running = getattr(self._generator, "gi_running", False)
        return RuntimeError(_TWO_CONSUMERS) if running else error

    def _failed(self, error: BaseException) -> Step:
        """Tell the engine that an effect has failed: where the client was closed meanwhile, by that."""
        if self._closing.closed and isinstance(error, Exception):
            made = closed()
            made.__cause__ = None if isinstance(error, NetworkError) and error.is_local else error
            error = made
        return self.throw(error)

    def throw(self, error: BaseException) -> Step:
        try:
            return cast(Step, self._generator.throw(error))
        except (StopIteration, Leave):
            return None


class Driver(_Runner):
    """Runs the steps of a call, blocking."""

    _exchange: Exchange | None = None

    def __init__(self, steps: Steps[None], transport: Transport, clock: Clock, closing: Closing) -> None:
        super().__init__(steps, clock, closing)
        self._transport = transport

    def start(self) -> None:
        """Run until the first content event is here, or the stream has ended without one."""
        try:
            step = self.send(None)
            while step is not None and step is not READY:
                step = self._perform(step)
        except BaseException:
            self.leave()  # nobody else will; it matters when a KeyboardInterrupt came between two steps
            raise

    def next_event(self) -> Event | None:
        """Return the next event, None at the end.

        Raises the error of a call that failed, and RuntimeError for a second consumer at a time.
        """
        if self._performing:
            raise RuntimeError(_TWO_CONSUMERS)
        try:
            step: Step = self._send(None)
        except StopIteration:
            return None
        except ValueError as error:
            raise self._clash(error) from None
        while step.__class__ is not Event and step is not None:
            step = self._perform(step)
        return cast("Event | None", step)  # type: ignore[redundant-cast]  # mypy narrows by __class__, pyright does not

    def leave(self) -> None:
        """End the call where it stands."""
        step = self.throw(Leave())
        while step is not None:
            step = self._perform(step)

    def _perform(self, step: Effect | Event) -> Step:
        self._performing = True
        try:
            result = self._EFFECTS[step.__class__](self, step)
        except BaseException as error:  # noqa: BLE001  # the engine says what it means, and raises it again
            self._performing = False
            return self._failed(error)
        self._performing = False
        return self.send(result)

    def _open(self, effect: Open) -> Response:
        self._exchange = self._transport.open(effect.request, effect.opening)
        return self._exchange.response

    def _read(self, effect: Read) -> bytes:
        if self._closing.closed:
            raise closed()
        return cast(Exchange, self._exchange).read(effect.deadline)

    def _rest(self, effect: Sleep) -> None:
        self._closing.sleep(self._clock, effect.seconds)

    def _close(self, effect: Close) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            with contextlib.suppress(Exception):  # letting go cannot fail a call
                exchange.close(reusable=effect.reusable)

    def _pause(self, effect: Pause) -> None:
        """Threads need no turns."""

    _EFFECTS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        Open: _open,
        Read: _read,
        Sleep: _rest,
        Close: _close,
        Pause: _pause,
    }

    def drop(self) -> None:
        """End the call as the garbage collector would, which runs no effects: the exchange is closed first."""
        if self._exchange is not None:
            self._close(Close(reusable=False))
        self._generator.close()

    def __del__(self) -> None:
        dropped = self._exchange is not None
        self.drop()
        if dropped:
            warnings.warn(_DROPPED, ResourceWarning, stacklevel=2)


class AsyncDriver(_Runner):
    """Runs the steps of a call, awaiting."""

    _exchange: AsyncExchange | None = None

    def __init__(self, steps: Steps[None], transport: AsyncTransport, clock: Clock, closing: Closing) -> None:
        super().__init__(steps, clock, closing)
        self._transport = transport

    async def start(self) -> None:
        """Run until the first content event is here, or the stream has ended without one."""
        step = self.send(None)
        while step is not None and step is not READY:
            step = await self._perform(step)

    async def next_event(self) -> Event | None:
        """Return the next event, None at the end.

        Raises the error of a call that failed, and RuntimeError for a second consumer at a time.
        """
        if self._performing:
            raise RuntimeError(_TWO_CONSUMERS)
        try:
            step: Step = self._send(None)
        except StopIteration:
            return None
        except ValueError as error:
            raise self._clash(error) from None
        while step.__class__ is not Event and step is not None:
            step = await self._perform(step)
        return cast("Event | None", step)  # type: ignore[redundant-cast]  # mypy narrows by __class__, pyright does not

    async def leave(self) -> None:
        """End the call where it stands."""
        step = self.throw(Leave())
        while step is not None:
            step = await self._perform(step)

    async def _perform(self, step: Effect | Event) -> Step:
        self._performing = True
        try:
            result = await self._EFFECTS[step.__class__](self, step)
        except GeneratorExit:
            await self.leave()  # the coroutine is being closed: leaving awaits nothing
            raise
        except BaseException as error:  # noqa: BLE001  # the engine says what it means, and raises it again
            self._performing = False
            return self._failed(error)
        self._performing = False
        return self.send(result)

    async def _open(self, effect: Open) -> Response:
        self._exchange = await self._transport.open(effect.request, effect.opening)
        return self._exchange.response

    async def _read(self, effect: Read) -> bytes:
        if self._closing.closed:
            raise closed()
        return await cast(AsyncExchange, self._exchange).read(effect.deadline)

    async def _rest(self, effect: Sleep) -> None:
        await self._closing.asleep(self._clock, effect.seconds)

    async def _close(self, effect: Close) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            with contextlib.suppress(Exception):  # letting go cannot fail a call
                if effect.reusable:
                    await exchange.aclose()
                else:
                    exchange.abort()  # not awaited: a second cancellation has nothing to interrupt

    async def _pause(self, effect: Pause) -> None:
        await anyio.lowlevel.checkpoint()

    _EFFECTS: ClassVar[dict[type, Callable[[Any, Any], Awaitable[Any]]]] = {
        Open: _open,
        Read: _read,
        Sleep: _rest,
        Close: _close,
        Pause: _pause,
    }

    def __del__(self) -> None:
        if self._exchange is not None:
            self._exchange.abort()
            warnings.warn(_DROPPED, ResourceWarning, stacklevel=2)
