"""The server that answers what the command line asks for.

It is Anthropic's API, a backend that speaks the Messages API, a server that speaks Chat Completions, OpenAI's for one,
the Gemini API, Ollama, or the fault server that comes with Unbroken.
"""

import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from unbroken.registry import PluginOrderWarning, resolve
from unbroken_chat import (
    AnthropicConfig,
    ChatCompletions,
    ChatMessage,
    ContentGenerator,
    GeminiApi,
    ModelConfig,
    OllamaApi,
    ProxyConfig,
    ReplyStream,
)

from ._request import (
    ANTHROPIC_KEY,
    DEFAULT_MODEL,
    GEMINI_KEY,
    GEMINI_MODEL,
    OLLAMA_KEY,
    OPENAI_KEY,
    OPENAI_MODEL,
    TOKEN,
    ChatRequest,
)

_ANTHROPIC: Final = "https://api.anthropic.com"
_OPENAI: Final = "https://api.openai.com/v1"
_SHORTEST_SECRET: Final = 6


@frozen(kw_only=True)
class Server:
    """A server that answers questions."""

    generator: ContentGenerator | ChatCompletions
    where: str
    """Its address, or a name to show to the user."""
    model: str | None
    """The model to ask for; None leaves the choice to the server."""
    max_tokens: int | None = None
    """Sent with every question; None leaves it to the server, or to the configuration of the generator."""
    secrets: Sequence[str] = field(default=(), repr=False)
    """Texts that may not be printed."""
    is_embedded: bool = False

    def ask(self, history: Sequence[ChatMessage], question: ChatMessage, model: str | None) -> ReplyStream:
        """Prepare the answer to `question`. Raises ConfigurationError for what cannot be sent."""
        given = {"model": model, "max_tokens": self.max_tokens}
        parameters: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return self.generator.stream_request(question, history, **parameters)


@contextmanager
def connected(
    request: ChatRequest,
    environ: Mapping[str, str],
    observers: Sequence[object] = (),
    *,
    conversation: bool = False,
) -> Generator[Server]:
    """Yield the server that `request` asks for. Raises BadParameter and ConfigurationError; nothing is sent yet."""
    way = request.way(environ, conversation=conversation)
    resolved = resolve(request.plugins, request.config)
    if resolved.insecure is not None and resolved.insecure.value:
        request = evolve(request, insecure=True)
    policies = [*observers, *resolved.plugins]
    with ExitStack() as stack:
        if way == "embedded":
            from unbroken_faults import FaultServer

            endpoint = f"{stack.enter_context(FaultServer()).url}/v1/messages"
            request = evolve(request, endpoint=endpoint, demo=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PluginOrderWarning)  # resolve has warned already
            server = _MAKERS[way](request, environ, policies)
        stack.enter_context(closing(server.generator))
        yield server


# The user sees the whole conversation, so a model that has lost its beginning would be a surprise.
_WHOLE_HISTORY: Final = ProxyConfig(max_history_messages=None)


def _direct(request: ChatRequest, environ: Mapping[str, str], policies: Sequence[object]) -> Server:
    base_url = _ANTHROPIC if request.base_url is None else request.base_url
    model = request.model or DEFAULT_MODEL
    config = AnthropicConfig() if request.max_tokens is None else AnthropicConfig(max_tokens=request.max_tokens)
    key = environ[ANTHROPIC_KEY]
    generator = ContentGenerator(
        api_key=key, model=model, config=config, base_url=base_url, plugins=policies, insecure=request.insecure
    )
    return Server(generator=generator, where=_place(base_url), model=model, secrets=_secrets(key))


def _proxy(request: ChatRequest, environ: Mapping[str, str], policies: Sequence[object]) -> Server:
    endpoint = request.endpoint or ""
    token = environ.get(TOKEN) or None if request.token is None else request.token
    generator = ContentGenerator.proxy(
        endpoint,
        auth_token=token,
        config=_WHOLE_HISTORY,
        plugins=policies,
        insecure=request.insecure,
        max_tokens=None,  # it is for the backend to choose, unless it was given
    )
    return _server(generator, endpoint, request, token)


def _embedded(request: ChatRequest, environ: Mapping[str, str], policies: Sequence[object]) -> Server:
    return evolve(_proxy(request, {}, policies), where="the embedded fault server", is_embedded=True)


def _compatible(request: ChatRequest, environ: Mapping[str, str], policies: Sequence[object]) -> Server:
    key = environ.get(OPENAI_KEY) or None
    if request.base_url is None:
        request = evolve(request, base_url=_OPENAI, model=request.model or OPENAI_MODEL)
    generator = ChatCompletions(request.base_url or "", api_key=key, plugins=policies, insecure=request.insecure)
    return _server(generator, generator.url, request, key)


def _gemini(request: ChatRequest, environ: Mapping[str, str], policies: Sequence[object]) -> Server:
    return _spoken(GeminiApi(), request, environ.get(GEMINI_KEY) or None, request.model or GEMINI_MODEL, policies)


def _ollama(request: ChatRequest, environ: Mapping[str, str], policies: Sequence[object]) -> Server:
    return _spoken(OllamaApi(), request, environ.get(OLLAMA_KEY) or None, request.model or "", policies)


def _spoken(
    api: GeminiApi | OllamaApi, request: ChatRequest, key: str | None, model: str, policies: Sequence[object]
) -> Server:
    base_url = api.base_url if request.base_url is None else request.base_url
    generator = ContentGenerator(
        api=api,
        api_key=key,
        model=model,
        config=ModelConfig() if request.max_tokens is None else ModelConfig(max_tokens=request.max_tokens),
        base_url=base_url,
        plugins=policies,
        insecure=request.insecure,
    )
    return Server(generator=generator, where=_place(base_url), model=model, secrets=_secrets(key))


def _server(
    generator: ContentGenerator | ChatCompletions, url: str, request: ChatRequest, credential: str | None
) -> Server:
    return Server(
        generator=generator,
        where=_place(url),
        model=request.model,
        max_tokens=request.max_tokens,
        secrets=_secrets(credential),
    )


def _secrets(value: str | None) -> list[str]:
    return [] if value is None or len(value) < _SHORTEST_SECRET else [value]


def _place(url: str) -> str:
    """Return a URL without its query, which may contain a token."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


_MAKERS: Final = {
    "direct": _direct,
    "proxy": _proxy,
    "compatible": _compatible,
    "gemini": _gemini,
    "ollama": _ollama,
    "embedded": _embedded,
}
