"""The vendors' own SDKs as judges, over a transport in memory."""

from functools import cache
from typing import Any

import anthropic
import httpx2
import openai

from unbroken_gateway.replies.frames import Form

STREAM = [(b"content-type", b"text/event-stream")]
MESSAGES: Any = [{"role": "user", "content": "Hello"}]
_ANSWERS: list[Any] = []
_ASKED: list[httpx2.Request] = []


def _answer(request: httpx2.Request) -> httpx2.Response:
    _ASKED.append(request)
    status, headers, body = _ANSWERS[min(len(_ASKED), len(_ANSWERS)) - 1]
    return httpx2.Response(status, headers=headers, content=iter(body) if isinstance(body, list) else body)


@cache
def _client(kind: Any, retries: int) -> Any:
    http = httpx2.Client(transport=httpx2.MockTransport(_answer))
    return kind(api_key="k", http_client=http, max_retries=retries)


def _stream(form: Form, retries: int) -> Any:
    if form == "messages":
        client = _client(anthropic.Anthropic, retries)
        return client.messages.create(model="m", max_tokens=9, messages=MESSAGES, stream=True)
    client = _client(openai.OpenAI, retries)
    if form == "chat":
        return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    return client.responses.create(model="m", input="Hello", stream=True)


def call(form: Form, *answers: Any, retries: int = 0) -> tuple[Any, int]:
    """What the SDK makes of the answers, its events or its error, and how often it asked."""
    _ANSWERS[:], _ASKED[:] = answers, []
    try:
        return list(_stream(form, retries)), len(_ASKED)
    except (anthropic.APIError, openai.APIError) as error:
        return error, len(_ASKED)


def read(form: Form, body: bytes | list[bytes]) -> Any:
    """The events that the SDK reads in a stream, whole or in pieces, or its error."""
    return call(form, (200, STREAM, body))[0]
