"""The behaviour of a scripted server, as values."""

from collections.abc import Generator, Iterable, Mapping
from enum import Enum
from typing import Any, Final, Literal

import msgspec
from attrs import field, frozen

from ..headers import Headers
from ..messages import Response
from ..transport import Opening
from .clock import FakeClock


class Forever(Enum):
    """Endless silence."""

    STALL = "stall"


STALL: Final[Literal[Forever.STALL]] = Forever.STALL

Item = bytes | float | Exception | Literal[Forever.STALL]
"""Part of a body: some bytes, a delay in seconds, a failure, or endless silence."""

Waiting = Generator[float, None, Any]
"""A generator that yields seconds to wait, also infinity, and then returns the result or raises the failure."""

FOREVER: Final = float("inf")


def _items(body: Iterable[Item] | bytes) -> tuple[Item, ...]:
    return (body,) if isinstance(body, bytes) else tuple(body)


@frozen(kw_only=True)
class Answer:
    """How the scripted server answers one request."""

    status: int = 200
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = field(
        factory=lambda: {"content-type": "text/event-stream"}
    )
    body: tuple[Item, ...] = field(default=(), converter=_items)
    connect: float | Literal[Forever.STALL] = 0.0
    """Seconds until the connection is established."""
    latency: float | Literal[Forever.STALL] = 0.0
    """Seconds from then until the head of the response arrives."""
    failure: Exception | None = None
    """Raised instead of giving the head, after `connect` and `latency`."""


def sse(*events: tuple[str, Any] | str | bytes) -> bytes:
    """Return `events` encoded as ``text/event-stream``.

    Each is a pair ``(type, data)``, with data as text, as text in UTF-8 or as a value to encode as JSON; text, which is
    the data of a ``message``; or bytes, which are taken as they are.
    """
    return b"".join(map(_event, events))


def _event(event: tuple[str, Any] | str | bytes) -> bytes:
    if isinstance(event, bytes):
        return event
    kind, data = ("", event) if isinstance(event, str) else event
    if not isinstance(data, str):
        data = (data if isinstance(data, bytes) else msgspec.json.encode(data)).decode()
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return (f"event: {kind}\n{lines}\n" if kind else f"{lines}\n").encode()


class Playback:
    """Plays one answer. It does not wait itself but yields the waits, so it serves sync and async transports."""

    def __init__(self, reply: Answer, clock: FakeClock) -> None:
        self._reply = reply
        self._clock = clock
        self._body = list(reply.body)
        self.response: Response
        """The head of the response; set when it arrives."""
        self.released: bool | None = None
        """Whether the connection was kept when the exchange was closed; None while the exchange is open."""

    def opening(self, opening: Opening) -> Waiting:
        """Yield the waits for the connection and for the head. Raises the failure of the answer, or TimeoutError."""
        yield from self._delay(self._reply.connect, opening.connect_deadline)
        opening.phase = "headers"
        yield from self._delay(self._reply.latency, opening.deadline)
        if self._reply.failure is not None:
            raise self._reply.failure
        self.response = Response(
            status_code=self._reply.status,
            headers=Headers(self._reply.headers),
            received_at=self._clock.time(),
        )

    def read(self, deadline: float | None) -> Waiting:
        """Yield the waits for the next bytes and return them, ``b""`` at the end. Raises a failure or TimeoutError."""
        while self._body:
            item = self._body[0]
            if isinstance(item, int | float) or item is STALL:
                yield from self._delay(item, deadline)
                self._body.pop(0)
                continue
            if deadline is not None and self._clock.monotonic() >= deadline:
                raise TimeoutError
            self._body.pop(0)
            if isinstance(item, Exception):
                raise item
            if item:
                return item
        return b""

    def _delay(self, seconds: float | Literal[Forever.STALL], deadline: float | None) -> Waiting:
        wanted = FOREVER if seconds is STALL else seconds
        left = FOREVER if deadline is None else deadline - self._clock.monotonic()
        if wanted > left:
            yield max(left, 0.0)
            raise TimeoutError
        if wanted > 0:
            yield wanted

    def close(self, *, reusable: bool) -> None:
        """Close the exchange. With `reusable`, the connection is kept if nothing is left of the body."""
        self.released = reusable and not any(item for item in self._body)
