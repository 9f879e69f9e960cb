"""The pieces of the body, as aiohttp reads them."""

import ssl
from collections.abc import Awaitable, Callable

import aiohttp


class AiohttpRaw:
    """A session without limits."""

    kind = "sse"

    def __init__(self, base: str, authority: str | None) -> None:
        self._url = base + "/v1/messages"
        context = ssl.create_default_context(cafile=authority)
        connector = aiohttp.TCPConnector(limit=0, ssl=context)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout())

    async def pull(self, opened: Callable[[], Awaitable[None]] | None = None) -> list[bytes]:
        async with self._session.post(self._url, json={"stream": True}) as response:
            if opened is not None:
                await opened()
            return [piece async for piece in response.content.iter_any()]

    async def close(self) -> None:
        await self._session.close()


ASYNC = {"aiohttp raw": AiohttpRaw}
