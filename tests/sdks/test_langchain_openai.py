"""`protect` under the models of langchain-openai."""

import asyncio

import pytest

from unbroken.testing import Answer

from .kit import HALF_OF_CHAT, under

langchain_openai = pytest.importorskip("langchain_openai")


def model(**options):
    return langchain_openai.ChatOpenAI(model="m", api_key="k", **options)


def test_plain_answers_and_streams():
    protected = under(model(), 503, "one", 503, "two")
    assert type(protected) is langchain_openai.ChatOpenAI
    assert protected.invoke("hi").content == "one"
    assert "".join(chunk.content for chunk in protected.stream("hi")) == "two"


def test_async():
    async def ask():
        protected = under(model(), 503, "one", 503, "two")
        return (await protected.ainvoke("hi")).content, [chunk.content async for chunk in protected.astream("hi")]

    one, two = asyncio.run(ask())
    assert (one, "".join(two)) == ("one", "two")


def test_the_responses_api():
    assert under(model(use_responses_api=True), 503, "one").invoke("hi").text in ("one", "one")


def test_what_is_bound_to_it_is_protected():
    assert under(model(), 503, "one").bind(temperature=0).with_config(tags=["a"]).invoke("hi").content == "one"


def test_failures_are_the_sdks_own():
    openai = pytest.importorskip("openai")
    with pytest.raises(openai.APIError, match="before the stream was complete"):
        list(under(model(), HALF_OF_CHAT).stream("hi"))


def test_the_original_is_as_before():
    original = model(max_retries=3)
    client = original.root_client
    protected = under(original, "one")
    assert original.root_client is client
    assert (client.max_retries, protected.root_client.max_retries) == (3, 0)
    assert protected.model_dump(exclude={"client", "async_client"}) == original.model_dump(
        exclude={"client", "async_client"}
    )


def test_embeddings_and_azure():
    listed = {"object": "list", "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    body = {**listed, "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
    answer = Answer(headers={"content-type": "application/json"}, body=__import__("json").dumps(body).encode())
    embeddings = langchain_openai.OpenAIEmbeddings(api_key="k", check_embedding_ctx_length=False)
    assert under(embeddings, 503, answer).embed_query("hi") == [0.5]
    azure = langchain_openai.AzureChatOpenAI(
        api_key="k", api_version="1", azure_endpoint="https://azure.example", azure_deployment="d"
    )
    assert under(azure, 503, "one").invoke("hi").content == "one"
