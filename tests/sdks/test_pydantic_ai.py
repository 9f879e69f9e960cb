"""`protect` under the providers and models of pydantic-ai."""

import asyncio

import pytest

from unbroken import ConfigurationError

from .kit import HALF_OF_A_MESSAGE, under

pydantic_ai = pytest.importorskip("pydantic_ai")
pytest.importorskip("pydantic_ai.models.anthropic")
pytest.importorskip("pydantic_ai.models.openai")


def anthropic_model(**options):
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    return AnthropicModel("claude-x", provider=AnthropicProvider(api_key="k", **options))


def openai_model():
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel("gpt-x", provider=OpenAIProvider(api_key="k"))


def ask(model):
    return pydantic_ai.Agent(model).run_sync("hi").output


async def stream(model):
    async with pydantic_ai.Agent(model).run_stream("hi") as result:
        return await result.get_output()


@pytest.mark.parametrize("make", [anthropic_model, openai_model])
def test_plain_answers_and_streams(make):
    original = make()
    protected = under(original, 503, "one", 503, "two")
    assert type(protected) is type(original)
    assert ask(protected) == "one"
    assert asyncio.run(stream(protected)) == "two"


def test_a_provider():
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    assert ask(AnthropicModel("claude-x", provider=under(AnthropicProvider(api_key="k"), 529, "one"))) == "one"


def test_a_provider_that_renews_its_http_client_stays_protected():
    """It does so when it is entered after it was closed, and in its newer versions for each event loop."""
    protected = under(anthropic_model(), 529, "one", 529, "two")

    async def enter():
        async with pydantic_ai.Agent(protected) as agent:
            return (await agent.run("hi")).output

    assert [asyncio.run(enter()), asyncio.run(enter())] == ["one", "two"]
    protected = under(anthropic_model(), 529, "one", 529, "two")
    assert [asyncio.run(stream(protected)), asyncio.run(stream(protected))] == ["one", "two"]


def test_models_around_models():
    from pydantic_ai.models.fallback import FallbackModel
    from pydantic_ai.models.instrumented import InstrumentedModel

    assert ask(under(FallbackModel(anthropic_model(), openai_model()), 401, "one")) == "one"
    assert ask(under(InstrumentedModel(openai_model()), 503, "one")) == "one"


def test_failures_are_its_own():
    from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError

    with pytest.raises(ModelHTTPError):
        ask(under(anthropic_model(), 401))
    with pytest.raises(ModelAPIError):
        asyncio.run(stream(under(anthropic_model(), HALF_OF_A_MESSAGE)))


def test_the_original_is_as_before():
    original = anthropic_model()
    client = original.client
    protected = under(original, "one")
    assert original.client is client
    assert protected.client is not client
    assert client.max_retries != protected.client.max_retries == 0


def test_a_model_without_a_network_is_refused():
    from pydantic_ai.models.test import TestModel

    with pytest.raises(ConfigurationError, match="no provider and no client"):
        under(TestModel())
