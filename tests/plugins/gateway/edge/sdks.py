"""The vendors' own SDKs as judges, over a transport in memory."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai

from unbroken_gateway.frames import Form

Answers = list[tuple[int, list[tuple[bytes, bytes]], bytes]]
STREAM = [(b"content-type", b"text/event-stream")]
MESSAGES: Any = [{"role": "user", "content": "Hello"}]


def http(answers: Answers, asked: list[httpx2.Request]) -> httpx2.Client:
    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        status, headers, body = answers[min(len(asked), len(answers)) - 1]
        return httpx2.Response(status, headers=headers, content=body)

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def _messages(client: httpx2.Client, retries: int) -> list[Any]:
    sdk = anthropic.Anthropic(api_key="k", http_client=client, max_retries=retries)
    return list(sdk.messages.create(model="m", max_tokens=9, messages=MESSAGES, stream=True))


def _chat(client: httpx2.Client, retries: int) -> list[Any]:
    sdk = openai.OpenAI(api_key="k", http_client=client, max_retries=retries)
    return list(sdk.chat.completions.create(model="m", messages=MESSAGES, stream=True))


def _responses(client: httpx2.Client, retries: int) -> list[Any]:
    sdk = openai.OpenAI(api_key="k", http_client=client, max_retries=retries)
    return list(sdk.responses.create(model="m", input="Hello", stream=True))


CALLS: dict[Form, Callable[[httpx2.Client, int], list[Any]]] = {
    "messages": _messages,
    "chat": _chat,
    "responses": _responses,
}


def call(form: Form, *answers: Any, retries: int = 0) -> tuple[Any, int]:
    """What the SDK makes of the answers, its events or its error, and how often it asked."""
    asked: list[httpx2.Request] = []
    with http(list(answers), asked) as client:
        try:
            return CALLS[form](client, retries), len(asked)
        except (anthropic.APIError, openai.APIError) as error:
            return error, len(asked)


def read(form: Form, body: bytes) -> Any:
    """The events that the SDK reads in a stream, or its error."""
    return call(form, (200, STREAM, body))[0]
