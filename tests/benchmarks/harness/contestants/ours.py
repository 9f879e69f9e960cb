"""This library: the events, their text, their objects, the message of all of them."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import unbroken
from unbroken_anthropic import ContentBlockDelta, MessageBuilder
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_logging import Logging
from unbroken_metrics import Metrics
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_timeout import Timeout

Opened = Callable[[], Awaitable[None]]
JSON = {"stream": True}


def events(stream: unbroken.Stream) -> list[bytes]:
    return [event.raw for event in stream]


async def async_events(stream: unbroken.AsyncStream) -> list[bytes]:
    return [event.raw async for event in stream]


def text(stream: unbroken.Stream) -> list[str]:
    return list(stream.text())


async def async_text(stream: unbroken.AsyncStream) -> list[str]:
    return [piece async for piece in stream.text()]


def typed(stream: unbroken.Stream) -> list[str]:
    pieces = []
    for event in stream:
        it = event.typed()
        if isinstance(it, ContentBlockDelta):
            pieces.append(it.delta.text)
    return pieces


async def async_typed(stream: unbroken.AsyncStream) -> list[str]:
    pieces = []
    async for event in stream:
        it = event.typed()
        if isinstance(it, ContentBlockDelta):
            pieces.append(it.delta.text)
    return pieces


def built(stream: unbroken.Stream) -> list[str]:
    builder = MessageBuilder()
    for event in stream:
        builder.add(event)
    return [block.text for block in builder.message().content]


async def async_built(stream: unbroken.AsyncStream) -> list[str]:
    builder = MessageBuilder()
    async for event in stream:
        builder.add(event)
    return [block.text for block in builder.message().content]


def six() -> list[unbroken.Plugin]:
    """All policies and observers that need no other package's configuration."""
    return [Metrics(), Logging(level="WARNING"), Timeout(), Retry(), CircuitBreaker(), RateLimit()]


def settings(authority: str | None, dialect: str, plugins: Callable[[], list[unbroken.Plugin]]) -> dict[str, Any]:
    return {"plugins": plugins(), "dialect": dialect, "verify": authority or True, "max_connections": 10_000}


PATHS = {"anthropic": "/v1/messages", "openai": "/chat/completions"}


class Ours:
    """The sync client."""

    def __init__(self, consume: Any, kind: str, dialect: str, plugins: Any, base: str, authority: str | None) -> None:
        self.kind = kind
        self._consume = consume
        self._url = base + PATHS[dialect]
        self._client = unbroken.Client(**settings(authority, dialect, plugins))

    def pull(self) -> list[Any]:
        with self._client.stream("POST", self._url, json=JSON) as stream:
            return self._consume(stream)

    def close(self) -> None:
        self._client.close()


class AsyncOurs:
    """The async client."""

    def __init__(self, consume: Any, kind: str, dialect: str, plugins: Any, base: str, authority: str | None) -> None:
        self.kind = kind
        self._consume = consume
        self._url = base + PATHS[dialect]
        self._client = unbroken.AsyncClient(**settings(authority, dialect, plugins))

    async def pull(self, opened: Opened | None = None) -> list[Any]:
        async with self._client.stream("POST", self._url, json=JSON) as stream:
            if opened is not None:
                await opened()
            return await self._consume(stream)

    async def close(self) -> None:
        await self._client.aclose()


def _ways(make: Any, events: Any, text: Any, typed: Any, built: Any) -> dict[str, Any]:
    return {
        "Unbroken events": functools.partial(make, events, "data", "anthropic", list),
        "Unbroken six plugins": functools.partial(make, events, "data", "anthropic", six),
        "Unbroken text()": functools.partial(make, text, "text", "anthropic", list),
        "Unbroken typed()": functools.partial(make, typed, "text", "anthropic", list),
        "Unbroken builder": functools.partial(make, built, "text", "anthropic", list),
        "Unbroken OpenAI text()": functools.partial(make, text, "text", "openai", list),
    }


SYNC = _ways(Ours, events, text, typed, built)
ASYNC = _ways(AsyncOurs, async_events, async_text, async_typed, async_built)
