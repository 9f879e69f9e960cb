"""The vendor's own SDK as the judge: it decodes the bytes of a stream by itself, over a transport in memory."""

from functools import cache
from typing import Any

import httpx2
import openai

_CHUNKS: list[list[bytes]] = []


@cache
def _client() -> openai.OpenAI:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=iter(_CHUNKS.pop()))

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="test", max_retries=0, http_client=http)


def completion(*chunks: bytes, **asked: Any) -> Any:
    """The completion that the SDK makes of a body, which arrives in `chunks`.

    Its ``get_final_completion`` refuses what ended by length or by a filter; it is the same snapshot.
    """
    _CHUNKS.append([*chunks])
    messages: Any = [{"role": "user", "content": "Hello"}]
    with _client().chat.completions.stream(model="gpt-test", messages=messages, **asked) as stream:
        list(stream)
        return stream.current_completion_snapshot


def response(*chunks: bytes) -> Any:
    """The response that the SDK makes of a body, which arrives in `chunks`.

    Its ``get_final_response`` knows none that is incomplete; the last event has the same.
    """
    _CHUNKS.append([*chunks])
    with _client().responses.stream(model="gpt-test", input="Hello") as stream:
        return [*stream][-1].response
