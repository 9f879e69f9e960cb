"""The sync and the async driver. They perform the effects of the engine in the same few steps.

A call can end in these ways. Without `reusable`, closing does not wait for anything:

================================  ============================  ==================================================
what happens                      the engine is sent            what closes the exchange
================================  ============================  ==================================================
the consumer has the last event   None or, if it leaves         ``Close(reusable=True)``: it waits up to
                                  without asking again,         DRAIN_SECONDS for the end of the body
                                  `Leave`
the consumer leaves earlier       `Leave`                       ``Close(reusable=False)``
a cancellation, Ctrl-C            that exception                ``Close(reusable=False)``, then it is raised again
an Error of the call leaves       that error                    ``Close(reusable=False)``
the block before its end
the coroutine itself is closed    `Leave`                       ``Close(reusable=False)``: a coroutine that is
                                                                being closed may not await
the stream is garbage-collected   GeneratorExit                 the driver, beforehand: a generator that is being
                                                                closed may not yield an effect
================================  ============================  ==================================================

Example: a task that waits in ``await exchange.read(...)`` is cancelled. `_perform` throws the cancellation into the
engine, which answers with ``Close(reusable=False)``. The driver calls `abort`, which does not await and so cannot be
interrupted by a second cancellation. The engine runs `after_request` and `on_finish` and raises the cancellation again.
"""

import contextlib
import warnings
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, ClassVar, cast

import anyio.lowlevel

from ..clock import Clock
from ..errors import Error, NetworkError
from ..messages import Event, Response
from ..transport import AsyncExchange, AsyncTransport, Exchange, Transport, closed
from .closing import Closing
from .effects import READY, Batch, Close, Effect, Leave, Open, Pause, Read, Sleep, Steps

Step = Effect | Event | None
"""What the engine yields next; None when it has ended."""

_DROPPED = "a stream was dropped without leaving its `with` block"
_TWO_CONSUMERS = "another task or thread is reading this stream"


class _Runner:
    """Wraps the engine's generator. Returns None for StopIteration, which a coroutine may not raise, and `Leave`."""

    _performing = False
    """Whether an effect is being performed: a second consumer would take the generator's answer from the first."""

    ready: Iterator[Event] = iter(())
    """Events that the consumer may take without asking the engine."""

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

    def _left(self, raised: Error, failure: Error | None, traceback: TracebackType | None) -> None:
        """Raise what the engine has raised, unless it is the failure that the consumer sees anyway."""
        if failure is None or raised is not failure:
            raise raised
        failure.__traceback__ = traceback  # without the frames of the engine

    def throw(self, error: BaseException) -> Step:
        try:
            return cast(Step, self._generator.throw(error))
        except (StopIteration, Leave):
            return None


class Driver(_Runner):
    """Runs the steps of a call for the sync client."""

    _exchange: Exchange | None = None

    def __init__(self, steps: Steps[None], transport: Transport, clock: Clock, closing: Closing) -> None:
        super().__init__(steps, clock, closing)
        self._transport = transport

    def start(self) -> None:
        """Run until the first content event has arrived, or the stream has ended without one."""
        try:
            step = self.send(None)
            while step is not None and step is not READY:
                step = self._perform(step)
        except BaseException:
            self.leave()  # `__exit__` does not run if entering fails, say by a KeyboardInterrupt between two steps
            raise

    def next_event(self) -> Event | None:
        """Return the next event that is not in `ready`, None at the end.

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
        while step is not None:
            if isinstance(step, Batch):
                self.ready = step.ready
                return next(self.ready)
            if isinstance(step, Event):
                return step
            step = self._perform(step)
        return None

    def leave(self, failure: Error | None = None) -> None:
        """End the call at once; the consumer has left, with `failure` if there is one. Does nothing if it has ended.

        Raises the Error of a call that fails by `failure`.
        """
        traceback = None if failure is None else failure.__traceback__
        try:
            step = self.throw(failure or Leave())
            while step is not None:
                step = self._perform(step)
        except Error as raised:
            self._left(raised, failure, traceback)
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Close the exchange if it is still open, because an interrupt came before it was closed."""
        if self._exchange is not None:
            try:
                self._close(Close(reusable=False))
            finally:
                self._exchange = None

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
        self._closing.sleep(self._clock, effect.seconds, effect.until)

    def _close(self, effect: Close) -> None:
        if self._exchange is not None:
            with contextlib.suppress(Exception):  # a failure to close must not fail the call
                self._exchange.close(reusable=effect.reusable)
            self._exchange = None  # not earlier: after an interrupt, `leave` closes it

    def _pause(self, effect: Pause) -> None:
        """Do nothing: other threads run anyway."""

    _EFFECTS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        Open: _open,
        Read: _read,
        Sleep: _rest,
        Close: _close,
        Pause: _pause,
    }

    def drop(self) -> None:
        """End the call as garbage collection does. The exchange is closed first, as no more effects can run."""
        self._abandon()
        self._generator.close()

    def __del__(self) -> None:
        dropped = self._exchange is not None
        self.drop()
        if dropped:
            warnings.warn(_DROPPED, ResourceWarning, stacklevel=2)


class AsyncDriver(_Runner):
    """Runs the steps of a call for the async client."""

    _exchange: AsyncExchange | None = None

    def __init__(self, steps: Steps[None], transport: AsyncTransport, clock: Clock, closing: Closing) -> None:
        super().__init__(steps, clock, closing)
        self._transport = transport

    async def start(self) -> None:
        """Run until the first content event has arrived, or the stream has ended without one."""
        step = self.send(None)
        while step is not None and step is not READY:
            step = await self._perform(step)

    async def next_event(self) -> Event | None:
        """Return the next event that is not in `ready`, None at the end.

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
        while step is not None:
            if isinstance(step, Batch):
                self.ready = step.ready
                return next(self.ready)
            if isinstance(step, Event):
                return step
            step = await self._perform(step)
        return None

    async def leave(self, failure: Error | None = None) -> None:
        """End the call at once; the consumer has left, with `failure` if there is one. Does nothing if it has ended.

        Raises the Error of a call that fails by `failure`.
        """
        traceback = None if failure is None else failure.__traceback__
        try:
            step = self.throw(failure or Leave())
            while step is not None:
                step = await self._perform(step)
        except Error as raised:
            self._left(raised, failure, traceback)

    async def _perform(self, step: Effect | Event) -> Step:
        self._performing = True
        try:
            result = await self._EFFECTS[step.__class__](self, step)
        except GeneratorExit:
            await self.leave()  # the coroutine is being closed and may not await: leaving awaits nothing here
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
        await self._closing.asleep(self._clock, effect.seconds, effect.until)

    async def _close(self, effect: Close) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            with contextlib.suppress(Exception):  # a failure to close must not fail the call
                if effect.reusable:
                    await exchange.aclose()
                else:
                    exchange.abort()  # not awaited, so a second cancellation cannot interrupt it

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
