"""`protect` under openai, of any supported version."""

import asyncio

import pytest

from .kit import HALF_OF_CHAT, MESSAGES, under

openai = pytest.importorskip("openai")
ASK = {"model": "m", "messages": MESSAGES}


def client(*answers):
    return under(openai.OpenAI(api_key="k"), *answers)


def text(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def test_plain_answers_and_streams():
    protected = client(503, "one", 503, "two")
    assert protected.chat.completions.create(**ASK).choices[0].message.content == "one"
    assert text(protected.chat.completions.create(stream=True, **ASK)) == "two"


def test_responses():
    protected = client(503, "one", 503, "two")
    assert protected.responses.create(model="m", input="hi").output_text == "one"
    events = protected.responses.create(model="m", input="hi", stream=True)
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "two"


def test_async_and_azure():
    async def ask():
        azure = openai.AsyncAzureOpenAI(api_key="k", api_version="1", azure_endpoint="https://azure.example")
        return text(
            [chunk async for chunk in await under(azure, 503, "one").chat.completions.create(stream=True, **ASK)]
        )

    assert asyncio.run(ask()) == "one"


def test_failures_are_the_sdks_own():
    with pytest.raises(openai.AuthenticationError):
        client(401).chat.completions.create(**ASK)
    with pytest.raises(openai.APIError, match="before the stream was complete"):
        list(client(HALF_OF_CHAT).chat.completions.create(stream=True, **ASK))
    with pytest.raises(openai.APIConnectionError):
        client(*[ConnectionResetError()] * 9).chat.completions.create(**ASK)
