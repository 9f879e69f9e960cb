"""`protect` under cohere, whose answers are plain SSE or plain JSON."""

import asyncio
import json

import pytest

from unbroken.testing import Answer, sse

from .kit import MESSAGES, under

cohere = pytest.importorskip("cohere")
ASK = {"model": "m", "messages": MESSAGES}
SAID = {
    "id": "1",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "one"}]},
}
PLAIN = Answer(headers={"content-type": "application/json"}, body=json.dumps(SAID).encode())
DELTA = {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "two"}}}}
END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}
STREAM = Answer(body=sse(("content-delta", DELTA), ("message-end", END)))


def test_plain_answers_and_streams():
    original = cohere.ClientV2("k")
    protected = under(original, 503, PLAIN, 503, STREAM)
    assert protected is original
    assert protected.chat(**ASK).message.content[0].text == "one"
    said = [event for event in protected.chat_stream(**ASK) if event.type == "content-delta"]
    assert [event.delta.message.content.text for event in said] == ["two"]


def test_async():
    async def ask():
        return await under(cohere.AsyncClientV2("k"), 503, PLAIN).chat(**ASK)

    assert asyncio.run(ask()).message.content[0].text == "one"


def test_failures_are_its_own():
    with pytest.raises(cohere.UnauthorizedError):
        under(cohere.ClientV2("k"), 401).chat(**ASK)
