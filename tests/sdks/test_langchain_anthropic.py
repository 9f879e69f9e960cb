"""`protect` under the models of langchain-anthropic."""

import asyncio

import pytest

from .kit import HALF_OF_A_MESSAGE, under

langchain_anthropic = pytest.importorskip("langchain_anthropic")


def model(**options):
    return langchain_anthropic.ChatAnthropic(model="m", api_key="k", **options)


def test_plain_answers_and_streams():
    protected = under(model(), 529, "one", 529, "two")
    assert type(protected) is langchain_anthropic.ChatAnthropic
    assert protected.invoke("hi").content == "one"
    assert (
        "".join(chunk.text if isinstance(chunk.text, str) else chunk.text() for chunk in protected.stream("hi"))
        == "two"
    )


def test_async():
    async def ask():
        return await under(model(), 529, "one").ainvoke("hi")

    assert asyncio.run(ask()).content == "one"


def test_copies_of_it_are_protected():
    protected = under(model(), 529, "one", 529, "two")
    assert protected.model_copy(update={"temperature": 0.0}).invoke("hi").content == "one"
    assert protected.bind(temperature=0).invoke("hi").content == "two"


def test_failures_are_the_sdks_own():
    anthropic = pytest.importorskip("anthropic")
    with pytest.raises(anthropic.APIStatusError, match="before the stream was complete"):
        list(under(model(), HALF_OF_A_MESSAGE).stream("hi"))


def test_the_original_is_as_before():
    original = model(max_retries=3)
    protected = under(original, "one")
    assert (original._client.max_retries, protected._client.max_retries) == (3, 0)
