"""OpenAI's SDK: the chunks of Chat Completions."""

from typing import Any

import openai

BODY: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


def settings(base: str) -> dict[str, Any]:
    return {"api_key": "x", "base_url": base, "max_retries": 0, "timeout": 600}


class Create:
    """The sync client."""

    kind = "text"

    def __init__(self, base: str, authority: str | None) -> None:
        self._client = openai.OpenAI(**settings(base))

    def pull(self) -> list[str]:
        with self._client.chat.completions.create(**BODY) as stream:
            return [chunk.choices[0].delta.content or "" for chunk in stream]

    def close(self) -> None:
        self._client.close()


class AsyncCreate:
    """The async client."""

    kind = "text"

    def __init__(self, base: str, authority: str | None) -> None:
        self._client = openai.AsyncOpenAI(**settings(base))

    async def pull(self) -> list[str]:
        async with await self._client.chat.completions.create(**BODY) as stream:
            return [chunk.choices[0].delta.content or "" async for chunk in stream]

    async def close(self) -> None:
        await self._client.close()


SYNC = {"openai create()": Create}
ASYNC = {"openai create()": AsyncCreate}
