"""What a scripted server does, as values."""

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
    """Silence without end."""

    STALL = "stall"


STALL: Final[Literal[Forever.STALL]] = Forever.STALL

Item = bytes | float | Exception | Literal[Forever.STALL]
"""Part of a body: some bytes, a delay in seconds, a failure, or silence for ever."""

Waiting = Generator[float, None, Any]
"""Yields seconds to wait (infinity too), returns or raises what comes then."""

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
    """Seconds until the connection stands."""
    latency: float | Literal[Forever.STALL] = 0.0
    """Seconds from then until the head arrives."""
    failure: Exception | None = None
    """Raised in place of the head, after `connect` and `latency`."""


def sse(*events: tuple[str, Any] | str | bytes) -> bytes:
    """Write events: ``(type, data)``, data as text or JSON. A lone text is the data of a ``message``; bytes stay."""
    return b"".join(map(_event, events))


def _event(event: tuple[str, Any] | str | bytes) -> bytes:
    if isinstance(event, bytes):
        return event
    kind, data = ("", event) if isinstance(event, str) else event
    text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    return (f"event: {kind}\n{lines}\n" if kind else f"{lines}\n").encode()


class Playback:
    """One reply being given. The same for both backends: who plays it does the waiting."""

    def __init__(self, reply: Answer, clock: FakeClock) -> None:
        self._reply = reply
        self._clock = clock
        self._body = list(reply.body)
        self.response: Response
        """The head, once it has arrived."""
        self.released: bool | None = None
        """Whether the connection was kept when the exchange was closed; None while it is open."""

    def opening(self, opening: Opening) -> Waiting:
        """Connect, then wait for the head."""
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
        """Wait for the next bytes and return them."""
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
        """Let go; the connection can be kept when nothing is left of the body."""
        self.released = reusable and not any(item for item in self._body)
