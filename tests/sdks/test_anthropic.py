"""`protect` under anthropic, of any supported version."""

import asyncio

import pytest

from .kit import HALF_OF_A_MESSAGE, MESSAGES, under

anthropic = pytest.importorskip("anthropic")
ASK = {"max_tokens": 9, "model": "m", "messages": MESSAGES}


def client(*answers):
    return under(anthropic.Anthropic(api_key="k"), *answers)


def test_plain_answers_and_streams():
    protected = client(529, "one", 529, "two")
    assert protected.messages.create(**ASK).content[0].text == "one"
    with protected.messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream) == "two"


def test_async():
    async def ask():
        protected = under(anthropic.AsyncAnthropic(api_key="k"), 529, "one")
        async with protected.messages.stream(**ASK) as stream:
            return "".join([text async for text in stream.text_stream])

    assert asyncio.run(ask()) == "one"


def test_failures_are_the_sdks_own():
    with pytest.raises(anthropic.AuthenticationError):
        client(401).messages.create(**ASK)
    with pytest.raises(anthropic.APIStatusError, match="before the stream was complete"):
        list(client(HALF_OF_A_MESSAGE).messages.create(stream=True, **ASK))
    with pytest.raises(anthropic.APIConnectionError):
        client(*[ConnectionResetError()] * 9).messages.create(**ASK)


def test_copies_and_other_resources():
    protected = client(529, "one", 529, "two")
    assert protected.with_options(timeout=3).messages.create(**ASK).content[0].text == "one"
    assert protected.beta.messages.create(**ASK).content[0].text == "two"
