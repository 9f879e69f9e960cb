"""Anthropic's SDK: its stream of events, and its helper that accumulates the message."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic

Opened = Callable[[], Awaitable[None]]
BODY: dict[str, Any] = {
    "model": "claude-example",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hello"}],
}


def settings(base: str, authority: str | None) -> dict[str, Any]:
    if authority is not None:
        os.environ["SSL_CERT_FILE"] = authority
    return {"api_key": "x", "base_url": base, "max_retries": 0, "timeout": 600}


class Create:
    """``create(stream=True)``, sync."""

    kind = "text"

    def __init__(self, base: str, authority: str | None) -> None:
        self._client = anthropic.Anthropic(**settings(base, authority))

    def pull(self) -> list[str]:
        with self._client.messages.create(stream=True, **BODY) as stream:
            return [event.delta.text for event in stream if event.type == "content_block_delta"]

    def close(self) -> None:
        self._client.close()


class Helper(Create):
    """``stream()``, sync."""

    def pull(self) -> list[str]:
        with self._client.messages.stream(**BODY) as stream:
            return [block.text for block in stream.get_final_message().content]


class AsyncCreate:
    """``create(stream=True)``, async."""

    kind = "text"

    def __init__(self, base: str, authority: str | None) -> None:
        self._client = anthropic.AsyncAnthropic(**settings(base, authority))

    async def pull(self, opened: Opened | None = None) -> list[str]:
        async with await self._client.messages.create(stream=True, **BODY) as stream:
            if opened is not None:
                await opened()
            return [event.delta.text async for event in stream if event.type == "content_block_delta"]

    async def close(self) -> None:
        await self._client.close()


class AsyncHelper(AsyncCreate):
    """``stream()``, async."""

    async def pull(self, opened: Opened | None = None) -> list[str]:
        async with self._client.messages.stream(**BODY) as stream:
            return [block.text for block in (await stream.get_final_message()).content]


SYNC = {"anthropic create()": Create, "anthropic helper": Helper}
ASYNC = {"anthropic create()": AsyncCreate, "anthropic helper": AsyncHelper}
