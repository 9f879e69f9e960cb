"""`protect` under groq."""

import asyncio

import pytest

from .kit import HALF_OF_CHAT, MESSAGES, under

groq = pytest.importorskip("groq")
ASK = {"model": "m", "messages": MESSAGES}


def test_plain_answers_and_streams():
    protected = under(groq.Groq(api_key="k"), 503, "one", 503, "two")
    assert protected.chat.completions.create(**ASK).choices[0].message.content == "one"
    chunks = list(protected.chat.completions.create(stream=True, **ASK))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "two"


def test_async():
    async def ask():
        return await under(groq.AsyncGroq(api_key="k"), 503, "one").chat.completions.create(**ASK)

    assert asyncio.run(ask()).choices[0].message.content == "one"


def test_failures_are_the_sdks_own():
    with pytest.raises(groq.AuthenticationError):
        under(groq.Groq(api_key="k"), 401).chat.completions.create(**ASK)
    with pytest.raises(groq.APIError, match="before the stream was complete"):
        list(under(groq.Groq(api_key="k"), HALF_OF_CHAT).chat.completions.create(stream=True, **ASK))
