"""The pieces of the body, as httpx reads them. It is the unit of all ratios."""

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

Opened = Callable[[], Awaitable[None]]
JSON = {"stream": True}


def settings(authority: str | None) -> dict[str, Any]:
    """No limit of time or number is in the way."""
    verify = ssl.create_default_context(cafile=authority)
    return {"verify": verify, "trust_env": False, "timeout": None, "limits": httpx.Limits()}


class HttpxRaw:
    """The sync client."""

    kind = "sse"
    path = "/v1/messages"

    def __init__(self, base: str, authority: str | None) -> None:
        self._url = base + self.path
        self._client = httpx.Client(**settings(authority))

    def pull(self) -> list[bytes]:
        with self._client.stream("POST", self._url, json=JSON) as response:
            return list(response.iter_raw())

    def close(self) -> None:
        self._client.close()


class AsyncHttpxRaw:
    """The async client."""

    kind = "sse"
    path = "/v1/messages"

    def __init__(self, base: str, authority: str | None) -> None:
        self._url = base + self.path
        self._client = httpx.AsyncClient(**settings(authority))

    async def pull(self, opened: Opened | None = None) -> list[bytes]:
        async with self._client.stream("POST", self._url, json=JSON) as response:
            if opened is not None:
                await opened()
            return [piece async for piece in response.aiter_raw()]

    async def close(self) -> None:
        await self._client.aclose()


class OpenAI(HttpxRaw):
    """The same, for the bytes of the other API."""

    path = "/chat/completions"


class AsyncOpenAI(AsyncHttpxRaw):
    """The same, for the bytes of the other API."""

    path = "/chat/completions"


SYNC = {"httpx raw": HttpxRaw, "httpx raw, OpenAI": OpenAI}
ASYNC = {"httpx raw": AsyncHttpxRaw, "httpx raw, OpenAI": AsyncOpenAI}
