"""Google's own SDK as the judge: it decodes the bytes of a stream by itself, over a transport in memory."""

from functools import cache
from typing import Any

import httpx
from google import genai
from google.genai import types

_CHUNKS: list[list[bytes]] = []


@cache
def _client() -> genai.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        kind = "text/event-stream" if request.url.params.get("alt") == "sse" else "application/json"
        return httpx.Response(200, headers={"content-type": kind}, content=iter(_CHUNKS.pop()))

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return genai.Client(api_key="test", http_options=types.HttpOptions(httpx_client=http))


def streamed(*chunks: bytes) -> list[Any]:
    """The chunks that the SDK makes of a body, which arrives in `chunks`."""
    _CHUNKS.append([*chunks])
    return [*_client().models.generate_content_stream(model="gemini-test", contents="Hello")]


def answered(body: bytes) -> Any:
    """The answer that the SDK makes of a body of ``generateContent``."""
    _CHUNKS.append([body])
    return _client().models.generate_content(model="gemini-test", contents="Hello")
