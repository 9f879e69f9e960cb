"""LiteLLM: the chunks of a model that speaks Chat Completions."""

import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its prices

import litellm

MESSAGES = [{"role": "user", "content": "Hello"}]


class Completion:
    """``completion``."""

    kind = "text"

    def __init__(self, base: str, authority: str | None) -> None:
        self._options: dict[str, Any] = {"model": "openai/gpt-4o-mini", "messages": MESSAGES, "stream": True}
        self._options |= {"api_key": "x", "api_base": base, "max_retries": 0}

    def pull(self) -> list[str]:
        return [chunk.choices[0].delta.content or "" for chunk in litellm.completion(**self._options)]

    def close(self) -> None:
        """LiteLLM keeps its clients itself."""


class AsyncCompletion(Completion):
    """``acompletion``."""

    async def pull(self) -> list[str]:
        stream = await litellm.acompletion(**self._options)
        return [chunk.choices[0].delta.content or "" async for chunk in stream]

    async def close(self) -> None:
        """LiteLLM keeps its clients itself."""


SYNC = {"litellm": Completion}
ASYNC = {"litellm": AsyncCompletion}
