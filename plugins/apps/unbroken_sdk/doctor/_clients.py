"""The clients that can be examined, and how each is called: once for a stream, once for plain JSON.

A client is imported by its first call, in a process of its own. Each is set up as its documentation shows, with its own
retries; only the timeout is given.
"""

import asyncio
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from attrs import frozen

from ._rows import Row

KEY: Final = "sk-unbroken-doctor"
_MODEL: Final = "claude-unbroken"
_ASKED: Final = "Tell me how you are."
_MESSAGES: Final = [{"role": "user", "content": _ASKED}]

Say = Callable[[str], None]
"""Takes the text as it arrives, piece by piece."""


@frozen(kw_only=True)
class Client:
    """One client: how it is made, and how it is asked."""

    name: str
    """The name of its distribution."""
    own: tuple[str, ...]
    """The packages whose exceptions its users expect: its own and the one that it stands on."""
    make: Callable[[str, float], Any]
    """Takes the URL of the server and a timeout in seconds; returns what `protect` takes."""
    stream: Callable[[Any, Say], None]
    plain: Callable[[Any, Say], None]
    path: str = "/v1/chat/completions"
    """Where it asks for a stream."""
    without: frozenset[str] = frozenset()
    """The rows that have no meaning in its API."""
    extras: str = ""
    """What must be installed with it, in square brackets."""
    one_at_a_time: bool = False
    """Whether its state is that of the process, so that no two calls may run beside each other."""

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        """Return those of `rows` that have a meaning in its API."""
        return [row for row in rows if row.name not in self.without]

    @property
    def requirement(self) -> str:
        """What pip installs."""
        return f"{self.name}{self.extras}"

    @property
    def version(self) -> str | None:
        """The version that is installed, None if none is."""
        try:
            return version(self.name)
        except PackageNotFoundError:
            return None


def _join(pieces: Iterable[str | None], say: Say) -> None:
    for piece in pieces:
        say(piece or "")


# The SDKs of the vendors.


def _anthropic(url: str, seconds: float) -> Any:
    return import_module("anthropic").Anthropic(base_url=url, api_key=KEY, timeout=seconds)


def _anthropic_stream(client: Any, say: Say) -> None:
    with client.messages.stream(model=_MODEL, max_tokens=64, messages=_MESSAGES) as stream:
        _join(stream.text_stream, say)
        stream.get_final_message()


def _anthropic_plain(client: Any, say: Say) -> None:
    say(client.messages.create(model=_MODEL, max_tokens=64, messages=_MESSAGES).content[0].text)


def _openai(url: str, seconds: float) -> Any:
    return import_module("openai").OpenAI(base_url=f"{url}/v1", api_key=KEY, timeout=seconds)


def _openai_stream(client: Any, say: Say) -> None:
    with client.chat.completions.stream(model=_MODEL, messages=_MESSAGES) as stream:
        _join((event.delta for event in stream if event.type == "content.delta"), say)
        stream.get_final_completion()


def _groq(url: str, seconds: float) -> Any:
    return import_module("groq").Groq(base_url=url, api_key=KEY, timeout=seconds)


def _groq_stream(client: Any, say: Say) -> None:
    _chunks(client.chat.completions.create(model=_MODEL, messages=_MESSAGES, stream=True), say)


def _chat_plain(client: Any, say: Say) -> None:
    say(client.chat.completions.create(model=_MODEL, messages=_MESSAGES).choices[0].message.content)


def _chunks(stream: Iterable[Any], say: Say) -> None:
    _join((chunk.choices[0].delta.content for chunk in stream if chunk.choices), say)


def _genai(url: str, seconds: float) -> Any:
    options = {"base_url": url, "timeout": int(seconds * 1000)}
    return import_module("google.genai").Client(api_key=KEY, http_options=options)


def _genai_stream(client: Any, say: Say) -> None:
    _join((chunk.text for chunk in client.models.generate_content_stream(model=_MODEL, contents=_ASKED)), say)


def _genai_plain(client: Any, say: Say) -> None:
    say(client.models.generate_content(model=_MODEL, contents=_ASKED).text)


def _ollama(url: str, seconds: float) -> Any:
    return import_module("ollama").Client(host=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=seconds)


def _ollama_stream(client: Any, say: Say) -> None:
    _join((part.message.content for part in client.chat(model=_MODEL, messages=_MESSAGES, stream=True)), say)


def _ollama_plain(client: Any, say: Say) -> None:
    say(client.chat(model=_MODEL, messages=_MESSAGES).message.content)


def _mistralai(url: str, seconds: float) -> Any:
    return import_module("mistralai.client").Mistral(server_url=url, api_key=KEY, timeout_ms=int(seconds * 1000))


def _mistralai_stream(client: Any, say: Say) -> None:
    _chunks((event.data for event in client.chat.stream(model=_MODEL, messages=_MESSAGES)), say)


def _mistralai_plain(client: Any, say: Say) -> None:
    say(client.chat.complete(model=_MODEL, messages=_MESSAGES).choices[0].message.content)


# Frameworks on top of them.


def _langchain_openai(url: str, seconds: float) -> Any:
    made = import_module("langchain_openai").ChatOpenAI
    return made(base_url=f"{url}/v1", api_key=KEY, model=_MODEL, timeout=seconds)


def _langchain_anthropic(url: str, seconds: float) -> Any:
    made = import_module("langchain_anthropic").ChatAnthropic
    return made(base_url=url, api_key=KEY, model=_MODEL, timeout=seconds)


def _langchain_stream(model: Any, say: Say) -> None:
    for chunk in model.stream(_ASKED):
        content = chunk.content
        said = content if isinstance(content, str) else "".join(block.get("text", "") for block in content)
        say(said)


def _langchain_plain(model: Any, say: Say) -> None:
    say(model.invoke(_ASKED).content)


def _pydantic_ai(url: str, seconds: float) -> Any:
    client = import_module("anthropic").AsyncAnthropic(base_url=url, api_key=KEY, timeout=seconds)
    provider = import_module("pydantic_ai.providers.anthropic").AnthropicProvider(anthropic_client=client)
    return import_module("pydantic_ai.models.anthropic").AnthropicModel(_MODEL, provider=provider)


def _pydantic_ai_stream(model: Any, say: Say) -> None:
    async def ask() -> None:
        async with import_module("pydantic_ai").Agent(model).run_stream(_ASKED) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                say(piece)

    asyncio.run(ask())


def _pydantic_ai_plain(model: Any, say: Say) -> None:
    say(asyncio.run(import_module("pydantic_ai").Agent(model).run(_ASKED)).output)


def _agents(url: str, seconds: float) -> Any:
    client = import_module("openai").AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, timeout=seconds)
    return import_module("agents").OpenAIChatCompletionsModel(_MODEL, client)


def _agents_stream(model: Any, say: Say) -> None:
    agents = import_module("agents")

    async def ask() -> None:
        result = agents.Runner.run_streamed(agents.Agent(name="a", model=model), _ASKED)
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                say(event.data.delta)

    asyncio.run(ask())


def _agents_plain(model: Any, say: Say) -> None:
    agents = import_module("agents")
    say(asyncio.run(agents.Runner.run(agents.Agent(name="a", model=model), _ASKED)).final_output)


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
    return library.completion(model=f"openai/{_MODEL}", messages=_MESSAGES, **own, **options)


def _litellm_stream(library: Any, say: Say) -> None:
    _chunks(_litellm_ask(library, stream=True), say)


def _litellm_plain(library: Any, say: Say) -> None:
    say(_litellm_ask(library).choices[0].message.content)


_NO_OWN: Final = ("httpx", "httpx2")
"""For a client without an exception for network errors: those of its HTTP library are what its users must catch."""

CLIENTS: Final = (
    Client(
        name="anthropic",
        own=("anthropic",),
        make=_anthropic,
        stream=_anthropic_stream,
        plain=_anthropic_plain,
        path="/v1/messages",
    ),
    Client(
        name="openai",
        own=("openai",),
        make=_openai,
        stream=_openai_stream,
        plain=_chat_plain,
    ),
    Client(
        name="groq",
        own=("groq",),
        make=_groq,
        stream=_groq_stream,
        plain=_chat_plain,
    ),
    Client(
        name="google-genai",
        own=("google.genai", *_NO_OWN),
        make=_genai,
        stream=_genai_stream,
        plain=_genai_plain,
        path=f"/v1beta/models/{_MODEL}:streamGenerateContent?alt=sse",
        without=frozenset({"socket-kept-open"}),  # the end of the body is part of the proof
    ),
    Client(
        name="ollama",
        own=("ollama", *_NO_OWN),
        make=_ollama,
        stream=_ollama_stream,
        plain=_ollama_plain,
        path="/api/chat",
        without=frozenset({"spend-limit", "pings-only", "pings-midway"}),  # its errors are text, and it has no pings
    ),
    Client(
        name="mistralai",
        own=("mistralai", "httpx2"),  # it documents the network errors of that library as its own
        make=_mistralai,
        stream=_mistralai_stream,
        plain=_mistralai_plain,
    ),
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
