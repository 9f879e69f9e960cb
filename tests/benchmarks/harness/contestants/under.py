"""The vendors' SDKs with this library under them, by `protect` and with its default plugins."""

from typing import Any

import unbroken_sdk

from . import anthropic_sdk, openai_sdk


class _Under:
    def __init__(self, base: str, authority: str | None) -> None:
        super().__init__(base, authority)  # type: ignore[call-arg]
        self._client: Any = unbroken_sdk.protect(self._client)


class Create(_Under, anthropic_sdk.Create):
    """``create(stream=True)``, sync."""


class AsyncCreate(_Under, anthropic_sdk.AsyncCreate):
    """``create(stream=True)``, async."""


class OpenAICreate(_Under, openai_sdk.Create):
    """``create(stream=True)`` of OpenAI's SDK, sync."""


class AsyncOpenAICreate(_Under, openai_sdk.AsyncCreate):
    """``create(stream=True)`` of OpenAI's SDK, async."""


SYNC = {"anthropic under Unbroken": Create, "openai under Unbroken": OpenAICreate}
ASYNC = {"anthropic under Unbroken": AsyncCreate, "openai under Unbroken": AsyncOpenAICreate}
