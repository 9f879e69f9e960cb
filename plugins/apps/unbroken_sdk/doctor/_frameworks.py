"""The frameworks on top of the vendors' SDKs, and how each is called: once for a stream, once for plain JSON."""

import asyncio
from importlib import import_module
from typing import Any, Final

from ._client import ASKED, KEY, MESSAGES, MODEL, Client, Say, say_chunks


def _langchain_openai(url: str, seconds: float) -> Any:
    made = import_module("langchain_openai").ChatOpenAI
    return made(base_url=f"{url}/v1", api_key=KEY, model=MODEL, timeout=seconds)


def _langchain_anthropic(url: str, seconds: float) -> Any:
    made = import_module("langchain_anthropic").ChatAnthropic
    return made(base_url=url, api_key=KEY, model=MODEL, timeout=seconds)


def _langchain_stream(model: Any, say: Say) -> None:
    for chunk in model.stream(ASKED):
        content = chunk.content
        said = content if isinstance(content, str) else "".join(block.get("text", "") for block in content)
        say(said)


def _langchain_plain(model: Any, say: Say) -> None:
    say(model.invoke(ASKED).content)


def _pydantic_ai(url: str, seconds: float) -> Any:
    client = import_module("anthropic").AsyncAnthropic(base_url=url, api_key=KEY, timeout=seconds)
    provider = import_module("pydantic_ai.providers.anthropic").AnthropicProvider(anthropic_client=client)
    return import_module("pydantic_ai.models.anthropic").AnthropicModel(MODEL, provider=provider)


def _pydantic_ai_stream(model: Any, say: Say) -> None:
    async def ask() -> None:
        async with import_module("pydantic_ai").Agent(model).run_stream(ASKED) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                say(piece)

    asyncio.run(ask())


def _pydantic_ai_plain(model: Any, say: Say) -> None:
    say(asyncio.run(import_module("pydantic_ai").Agent(model).run(ASKED)).output)


def _agents(url: str, seconds: float) -> Any:
    client = import_module("openai").AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, timeout=seconds)
    return import_module("agents").OpenAIChatCompletionsModel(MODEL, client)


def _agents_stream(model: Any, say: Say) -> None:
    agents = import_module("agents")

    async def ask() -> None:
        result = agents.Runner.run_streamed(agents.Agent(name="a", model=model), ASKED)
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                say(event.data.delta)

    asyncio.run(ask())


def _agents_plain(model: Any, say: Say) -> None:
    agents = import_module("agents")
    say(asyncio.run(agents.Runner.run(agents.Agent(name="a", model=model), ASKED)).final_output)


def _litellm(url: str, seconds: float) -> Any:
    library: Any = import_module("litellm")
    library.client_session = library.aclient_session = None
    library.in_memory_llm_clients_cache.flush_cache()
    library.api_base, library.request_timeout = f"{url}/v1", seconds
    return library


def _litellm_ask(library: Any, **options: Any) -> Any:
    own = {"api_key": KEY, "timeout": library.request_timeout, "api_base": library.api_base}
    if library.client_session is not None:  # protected, and its retries cannot be switched off in one place
        own["num_retries"] = 0
    return library.completion(model=f"openai/{MODEL}", messages=MESSAGES, **own, **options)


def _litellm_stream(library: Any, say: Say) -> None:
    say_chunks(_litellm_ask(library, stream=True), say)


def _litellm_plain(library: Any, say: Say) -> None:
    say(_litellm_ask(library).choices[0].message.content)


FRAMEWORKS: Final = (
    Client(
        name="langchain-anthropic",
        own=("langchain_anthropic", "langchain_core", "anthropic"),
        make=_langchain_anthropic,
        stream=_langchain_stream,
        plain=_langchain_plain,
        path="/v1/messages",
    ),
    Client(
        name="langchain-openai",
        own=("langchain_openai", "langchain_core", "openai"),
        make=_langchain_openai,
        stream=_langchain_stream,
        plain=_langchain_plain,
    ),
    Client(
        name="pydantic-ai-slim",
        own=("pydantic_ai", "anthropic"),
        make=_pydantic_ai,
        stream=_pydantic_ai_stream,
        plain=_pydantic_ai_plain,
        extras="[anthropic]",
        path="/v1/messages",
    ),
    Client(
        name="openai-agents",
        own=("agents", "openai"),
        make=_agents,
        stream=_agents_stream,
        plain=_agents_plain,
    ),
    Client(
        name="litellm",
        own=("litellm", "openai"),
        make=_litellm,
        stream=_litellm_stream,
        plain=_litellm_plain,
        one_at_a_time=True,
    ),
)
