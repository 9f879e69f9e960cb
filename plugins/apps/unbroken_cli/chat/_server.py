"""What the command line asks for, and the server that answers it.

It is Anthropic's API, a backend that speaks the Messages API, a server that speaks Chat Completions, OpenAI's for one,
the Gemini API, Ollama, or the fault server that comes with Unbroken.
"""

import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

import typer
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

DEFAULT_MODEL: Final = "claude-sonnet-4-5"
"""The model that Anthropic is asked for without ``--model``."""
OPENAI_MODEL: Final = "gpt-5.4-mini"
"""The model that OpenAI is asked for without ``--model``."""

GEMINI_MODEL: Final = "gemini-flash-latest"
"""The model that Google is asked for without ``--model``."""

ANTHROPIC_KEY: Final = "ANTHROPIC_API_KEY"
OPENAI_KEY: Final = "OPENAI_API_KEY"
GEMINI_KEY: Final = GeminiApi.key
OLLAMA_KEY: Final = OllamaApi.key
TOKEN: Final = "UNBROKEN_TOKEN"  # noqa: S105 - the name of a variable

_ANTHROPIC: Final = "https://api.anthropic.com"
_OPENAI: Final = "https://api.openai.com/v1"
_SHORTEST_SECRET: Final = 6

Wire = Literal["anthropic", "openai", "gemini", "ollama"]
Way = Literal["direct", "proxy", "compatible", "gemini", "ollama", "embedded"]


@frozen(kw_only=True)
class ChatRequest:
    """The options of the command line. Raises BadParameter for options that exclude each other."""

    question: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    system: str | None = None
    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    dialect: str | None = None
    base_url: str | None = None
    demo: bool = False
    plugins: Sequence[str] | None = None
    config: str | None = None
    insecure: bool = False

    def __attrs_post_init__(self) -> None:
        wires = get_args(Wire)
        if self.dialect is not None and self.dialect not in wires:
            raise _bad("--dialect", f"{self.dialect!r} is none of {', '.join(wires)}")
        if self.demo and (self.endpoint, self.base_url, self.dialect) != (None, None, None):
            raise _bad("--demo", "asks the embedded server; leave out --endpoint, --base-url and --dialect")
        if self.endpoint is not None and self.base_url is not None:
            raise _bad("--endpoint", "is a backend of your own, --base-url an API; choose one")
        if self.endpoint is not None and self.dialect not in {None, "anthropic"}:
            raise _bad("--endpoint", "speaks the Messages API; for others use --base-url")
        if self.endpoint is None and self.token is not None:
            raise _bad("--token", "is for --endpoint; the API keys are read from the environment")

    def way(self, environ: Mapping[str, str], *, conversation: bool = False) -> Way:
        """Return which kind of server is asked. An empty variable counts as unset.

        Without a key, the embedded server answers only in a `conversation`, whose prompt says so, or with ``--demo``: a
        made-up answer must not end up in a script. Raises BadParameter when a key is missing.
        """
        if self.demo:
            return "embedded"
        if self.endpoint is not None:
            return "proxy"
        if self.dialect == "openai":
            return self._openai(environ)
        if self.dialect == "gemini":
            return self._gemini(environ)
        if self.dialect == "ollama":
            return self._ollama()
        if environ.get(ANTHROPIC_KEY):
            return "direct"
        if self.base_url is not None:
            raise _bad("--base-url", f"needs a key in {ANTHROPIC_KEY}, or --dialect openai")
        if self.dialect is None and environ.get(OPENAI_KEY):
            return "compatible"
        if conversation and self.dialect is None:
            return "embedded"
        raise typer.BadParameter(
            f"nobody to ask: set {ANTHROPIC_KEY} or {OPENAI_KEY}, or give --endpoint or --base-url; --demo asks the"
            " embedded server, which makes its answers up"
        )

    def _openai(self, environ: Mapping[str, str]) -> Way:
        if self.base_url is None and not environ.get(OPENAI_KEY):
            raise _bad("--dialect", f"openai needs a key in {OPENAI_KEY}, or --base-url http://127.0.0.1:8080/v1")
        return "compatible"

    def _gemini(self, environ: Mapping[str, str]) -> Way:
        if self.base_url is None and not environ.get(GEMINI_KEY):
            raise _bad("--dialect", f"gemini needs a key in {GEMINI_KEY}, or --base-url")
        return "gemini"

    def _ollama(self) -> Way:
        if self.model is None:
            raise _bad("--model", "is needed for ollama: the name of a model that it has, as `ollama list` shows it")
        return "ollama"


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


def _bad(option: str, message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=option)


_MAKERS: Final = {
    "direct": _direct,
    "proxy": _proxy,
    "compatible": _compatible,
    "gemini": _gemini,
    "ollama": _ollama,
    "embedded": _embedded,
}
