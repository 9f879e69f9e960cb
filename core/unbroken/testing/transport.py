"""Transports that play a script."""

from collections.abc import Callable, Iterable, Iterator

import anyio
import anyio.lowlevel

from ..messages import Request, Response
from ..transport import Opening
from .clock import FakeClock
from .script import FOREVER, Answer, Playback, Waiting

Script = Iterable[Answer] | Callable[[Request], Answer]


class _Scripted:
    """The common part of the scripted transports: the answers, and records of what was sent."""

    def __init__(self, script: Script, clock: FakeClock) -> None:
        self._next: Callable[[Request], Answer]
        if callable(script):
            self._next = script
        else:
            replies = iter(tuple(script))
            self._next = lambda _: _reply(replies)
        self._clock = clock
        self.requests: list[Request] = []
        """The requests that were sent."""
        self.sent_at: list[float] = []
        """When each was sent, in seconds of the clock's monotonic time."""
        self.exchanges: list[Playback] = []
        """The exchanges whose head has arrived."""
        self.closed = False

    @property
    def open_exchanges(self) -> int:
        """The number of exchanges that have not been closed."""
        return sum(exchange.released is None for exchange in self.exchanges)

    def _begin(self, request: Request) -> Playback:
        self.requests.append(request)
        self.sent_at.append(self._clock.monotonic())
        return Playback(self._next(request), self._clock)


class _Steps:
    """Iterates the waits of `waiting` and keeps its result."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self.result = b""

    def __iter__(self) -> Iterator[float]:
        self.result = (yield from self._waiting) or b""


def _reply(replies: Iterable[Answer]) -> Answer:
    for reply in replies:
        return reply
    raise AssertionError("the script has no further reply: an unexpected request was sent")


class ScriptedTransport(_Scripted):
    """An `unbroken.Transport` that answers from `script`: a list of answers in order, or a function of the request."""

    def open(self, request: Request, opening: Opening) -> "ScriptedExchange":
        """Play the next answer of the script until its head, and return the exchange."""
        playback = self._begin(request)
        self._wait(playback.opening(opening))
        self.exchanges.append(playback)
        return ScriptedExchange(playback, self._wait)

    def _wait(self, waiting: Waiting) -> bytes:
        for seconds in (steps := _Steps(waiting)):
            if seconds == FOREVER:
                raise AssertionError("the script stalls and no clock is set: this would wait for ever")
            self._clock.advance(seconds)
        return steps.result

    def close(self) -> None:
        """Set `closed`."""
        self.closed = True


class ScriptedExchange:
    """The exchange of one answer."""

    def __init__(self, playback: Playback, wait: Callable[[Waiting], bytes]) -> None:
        self._playback = playback
        self._wait = wait
        self.response: Response = playback.response

    def read(self, deadline: float | None) -> bytes:
        """Return the next bytes of the body, ``b""`` at its end."""
        return self._wait(self._playback.read(deadline))

    def close(self, *, reusable: bool) -> None:
        """Close the exchange, as `Playback.close` does."""
        self._playback.close(reusable=reusable)


class AsyncScriptedTransport(_Scripted):
    """An `unbroken.AsyncTransport` that answers from `script`. Use it under `unbroken.testing.run`."""

    async def open(self, request: Request, opening: Opening) -> "AsyncScriptedExchange":
        """Play the next answer of the script until its head, and return the exchange."""
        playback = self._begin(request)
        await _wait(playback.opening(opening))
        self.exchanges.append(playback)
        return AsyncScriptedExchange(playback)

    async def aclose(self) -> None:
        """Set `closed`."""
        self.closed = True


class AsyncScriptedExchange:
    """The exchange of one answer."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        self.response: Response = playback.response

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes of the body, ``b""`` at its end."""
        return await _wait(self._playback.read(deadline))

    def abort(self) -> None:
        """Close the exchange at once; the connection is not kept."""
        self._playback.close(reusable=False)

    async def aclose(self) -> None:
        """Close the exchange, then let other tasks run, as a real connection would."""
        self._playback.close(reusable=True)
        await anyio.lowlevel.checkpoint()


async def _wait(waiting: Waiting) -> bytes:
    # Like every read of a real socket, this lets other tasks run and can be cancelled.
    await anyio.lowlevel.checkpoint()
    for seconds in (steps := _Steps(waiting)):
        await anyio.sleep(seconds)
    return steps.result
