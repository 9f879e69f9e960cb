"""`protect` under the models and the provider of openai-agents."""

import asyncio

import pytest

from unbroken import ConfigurationError

from .kit import HALF_OF_CHAT, under

agents = pytest.importorskip("agents")
openai = pytest.importorskip("openai")


@pytest.fixture(autouse=True)
def no_tracing():
    agents.set_tracing_disabled(True)


def chat():
    return agents.OpenAIChatCompletionsModel("m", openai.AsyncOpenAI(api_key="k"))


async def stream(model):
    run = agents.Runner.run_streamed(agents.Agent(name="a", model=model), "hi")
    async for _ in run.stream_events():
        pass
    return run.final_output


async def ask(model):
    return (await agents.Runner.run(agents.Agent(name="a", model=model), "hi")).final_output


def test_plain_answers_and_streams():
    protected = under(chat(), 503, "one", 503, "two")
    assert asyncio.run(ask(protected)) == "one"
    assert asyncio.run(stream(protected)) == "two"


def test_the_responses_api():
    responses = agents.OpenAIResponsesModel("m", openai.AsyncOpenAI(api_key="k"))
    protected = under(responses, 503, "one", 503, "two")
    assert asyncio.run(ask(protected)) == "one"
    assert asyncio.run(stream(protected)) == "two"


def test_a_provider_that_has_a_client():
    given = agents.OpenAIProvider(openai_client=openai.AsyncOpenAI(api_key="k"))
    assert asyncio.run(ask(under(given, 503, "one").get_model("m"))) == "one"
    with pytest.raises(ConfigurationError, match="no client yet"):
        under(agents.OpenAIProvider(api_key="k"))


def test_failures_are_the_sdks_own():
    with pytest.raises(openai.APIError, match="before the stream was complete"):
        asyncio.run(stream(under(chat(), HALF_OF_CHAT)))


def test_the_original_is_as_before():
    original = chat()
    client = original._client
    under(original, "one")
    assert original._client is client
