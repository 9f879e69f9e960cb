"""The vendor's own SDK as the judge: it decodes the bytes of a stream by itself, over a transport in memory."""

from functools import cache
from typing import Any

import anthropic
import httpx2

ASK: dict[str, Any] = {
    "model": "claude-test-1",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}
_CHUNKS: list[list[bytes]] = []
_UNTOUCHED = "input"


@cache
def _client() -> anthropic.Anthropic:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=iter(_CHUNKS.pop()))

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="test", max_retries=0, http_client=http)


def theirs(*chunks: bytes, beta: bool = False) -> dict[str, Any]:
    """The message that the SDK makes of a body, which arrives in `chunks`, as JSON."""
    _CHUNKS.append([*chunks])
    client: Any = _client()
    with (client.beta if beta else client).messages.stream(**ASK) as stream:
        # Its classes do not know the unknown blocks, which pydantic would warn of.
        return stream.get_final_message().to_dict(mode="json", warnings=False)


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Field by field: a field that is null for one may be missing for the other."""
    for name in {*one, *other}:
        assert one.get(name) == other.get(name), name


def without_nulls(value: Any) -> Any:
    """Leave out the fields that are null, because the SDK's classes add them; the input of a tool stays as it is."""
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if each is not None}
        return {name: each if name == _UNTOUCHED else without_nulls(each) for name, each in kept.items()}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value
