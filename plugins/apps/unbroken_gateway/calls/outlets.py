"""Where the frames of a call go: straight to its client, or into the log of a resumable stream."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from attrs import define, field

from ..exchange import ClientGone, Exchange, RawHeaders
from ..replies.answers import in_band, status_of
from ..replies.errors import Problem
from ..replies.frames import KEEPALIVE
from ..streams import Fenced
from ..streams.writing import Writer


class Outlet(Protocol):
    """Takes what a call gives."""

    @property
    def status(self) -> int:
        """The status that the client has got; 0 before."""
        ...

    @property
    def cut(self) -> bool:
        """Whether the gateway, not the client, ends a call that is cancelled now."""
        ...

    @property
    def left(self) -> bool:
        """Whether the client that waits for the call has left."""
        ...

    async def open(self) -> None:
        """The call has content: from here on failures are told in the stream."""
        ...

    async def write(self, frames: Sequence[bytes], *, end: bool = False) -> None:
        """Take whole frames; with `end` the last of them is the terminal event. Raises ClientGone."""
        ...

    async def fail(self, problem: Problem) -> int:
        """Tell a failure and end. Returns the status that the client gets."""
        ...


@define(eq=False)
class Direct:
    """Frames go to the client that waits. Keep-alives fill the silence."""

    exchange: Exchange
    headers: RawHeaders
    keepalive: float
    open_after: float
    drains: bool = False
    """Whether a client that has left does not end the call."""
    opened: bool = field(default=False, init=False)
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _written_at: float = field(default=0.0, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _pulse: "asyncio.Task[None] | None" = field(default=None, init=False)

    @property
    def status(self) -> int:
        """The status that was sent."""
        return self.exchange.status

    @property
    def cut(self) -> bool:
        """Whether the gateway stops. A client that leaves does not cancel a call that is drained."""
        return self.exchange.cut or self.drains

    @property
    def left(self) -> bool:
        """Whether it has."""
        return self.exchange.left

    def start(self) -> None:
        """Count the time until the stream is opened without content."""
        if self.open_after > 0:
            self._arm(self.open_after)

    async def open(self) -> None:
        """Send the head, if it has not been sent."""
        await self._settled()
        if not self.opened:
            self.opened = True
            try:
                await self.exchange.open(self.headers)
            except ClientGone:
                if not self.drains:
                    raise
            self._written_at = self._loop.time()
            self._arm(self.keepalive)

    async def write(self, frames: Sequence[bytes], *, end: bool = False) -> None:
        """Send the frames at once, in one piece."""
        if self._pulse is not None:
            await self._settled()
        self._written_at = self._loop.time()
        if not frames and not end:
            return
        try:
            await self.exchange.write(frames[0] if len(frames) == 1 else b"".join(frames), not end)
        except ClientGone:
            if not self.drains:
                raise

    async def fail(self, problem: Problem) -> int:
        """Answer with the failure or, behind the head, tell it in the stream."""
        await self._settled()
        self.close()
        if not self.opened:
            await self.exchange.refuse(problem)
            return status_of(problem, self.exchange.dialect)
        frame = in_band(problem, self.exchange.form, self.exchange.shown_id)
        await self.exchange.write(frame, False)
        return 200

    def close(self) -> None:
        """Send no more keep-alives."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, seconds: float) -> None:
        self.close()
        self._timer = self._loop.call_later(seconds, self._beat)

    def _beat(self) -> None:
        """Open the stream, or send a keep-alive if nothing was sent for a while. The timer is armed anew lazily."""
        silent = self._loop.time() - self._written_at
        if self.opened and silent < self.keepalive * 0.9:
            self._arm(self.keepalive - silent)
            return
        self._arm(self.keepalive)
        if not self.exchange.sending and (self._pulse is None or self._pulse.done()):
            self._pulse = asyncio.ensure_future(self._alive())

    async def _alive(self) -> None:
        try:
            if not self.opened:
                self.opened = True
                await self.exchange.open(self.headers)
            self._written_at = self._loop.time()
            await self.exchange.write(KEEPALIVE)
        except ClientGone:
            self.close()

    async def _settled(self) -> None:
        """Wait for a keep-alive that is being sent, so that no two messages are sent at a time."""
        if self._pulse is not None and not self._pulse.done():
            await asyncio.wait((self._pulse,))


@define(eq=False)
class Logged:
    """Frames go into a log, from which readers get them."""

    writer: Writer
    exchange: Exchange
    opened: "asyncio.Future[Problem | None]"
    """Resolved with None when there is content; otherwise by the producer when it ends."""
    failure: Problem | None = field(default=None, init=False)
    """Of a call that failed before there was content."""

    @property
    def status(self) -> int:
        """That of every stream with content: failures are in it."""
        return 200 if self._is_open else 0

    @property
    def cut(self) -> bool:
        """Whether the stream was taken away by anything but its user's wish."""
        return self.writer.reason != "cancelled"

    @property
    def left(self) -> bool:
        """Never: readers come and go."""
        return False

    @property
    def _is_open(self) -> bool:
        return self.opened.done() and self.opened.result() is None

    async def open(self) -> None:
        """Say that there is content."""
        if not self.opened.done():
            self.opened.set_result(None)

    async def write(self, frames: Sequence[bytes], *, end: bool = False) -> None:
        """Append the frames. Raises ClientGone if the log is another's."""
        try:
            await self.writer.write(frames, "done" if end else None)
        except Fenced:
            raise ClientGone from None

    async def fail(self, problem: Problem) -> int:
        """Append the failure as the terminal event; before there is content, tell it to the request that waits."""
        if not self._is_open:
            self.failure = problem
            return status_of(problem, self.exchange.dialect)
        try:
            await self.writer.write([in_band(problem, self.exchange.form, self.exchange.shown_id)], "error")
        except Fenced:
            raise ClientGone from None
        return 200
