"""Who is asked: Anthropic, a backend, a compatible server, or the failing server that comes with Unbroken."""

import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Final
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from unbroken import Client
from unbroken.registry import PluginOrderWarning, resolve_dialect, resolve_plugins
from unbroken_chat import AnthropicConfig, ContentGenerator, ProxyConfig

from ._backend import Backend, ChatCompletions, Messages
from ._request import ANTHROPIC_KEY, DEFAULT_MODEL, OPENAI_KEY, TOKEN, ChatRequest

_ANTHROPIC: Final = "https://api.anthropic.com"
_SHORTEST_SECRET: Final = 6


@frozen(kw_only=True)
class Server:
    """Who answers."""

    backend: Backend
    where: str
    """In words, for people."""
    model: str | None
    """The one to ask for, None to leave it to the server."""
    secrets: Sequence[str] = field(default=(), repr=False)
    """What may not be printed."""
    is_embedded: bool = False


@contextmanager
def connected(request: ChatRequest, environ: Mapping[str, str], observers: Sequence[object] = ()) -> Generator[Server]:
    """Give the server that `request` means. Raises BadParameter and ConfigurationError; nothing is sent yet."""
    way = request.way(environ)
    policies = [*observers, *resolve_plugins(request.plugins, request.config)]
    with ExitStack() as stack:
        if way == "embedded":
            from unbroken_faults import FaultServer

            request = evolve(request, endpoint=f"{stack.enter_context(FaultServer()).url}/v1/messages")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PluginOrderWarning)  # said already
            server = _MAKERS[way](request, environ, policies)
        stack.enter_context(closing(server.backend))
        yield server


# The user sees the history, and would wonder what became of its beginning.
_WHOLE_HISTORY: Final = ProxyConfig(max_history_messages=None)


def _direct(request: ChatRequest, environ: Mapping[str, str], policies: Sequence[object]) -> Server:
    base_url = _ANTHROPIC if request.base_url is None else request.base_url
    model = request.model or DEFAULT_MODEL
    config = AnthropicConfig() if request.max_tokens is None else AnthropicConfig(max_tokens=request.max_tokens)
    key = environ[ANTHROPIC_KEY]
    generator = ContentGenerator(api_key=key, model=model, config=config, base_url=base_url, plugins=policies)
    return Server(backend=Messages(generator), where=_place(base_url), model=model, secrets=_secrets(key))


def _proxy(request: ChatRequest, environ: Mapping[str, str], policies: Sequence[object]) -> Server:
    endpoint = request.endpoint or ""
    token = environ.get(TOKEN) or None if request.token is None else request.token
    generator = ContentGenerator.proxy(endpoint, auth_token=token, config=_WHOLE_HISTORY, plugins=policies)
    backend = Messages(generator, request.max_tokens)
    return Server(backend=backend, where=_place(endpoint), model=request.model, secrets=_secrets(token))


def _embedded(request: ChatRequest, environ: Mapping[str, str], policies: Sequence[object]) -> Server:
    return evolve(_proxy(request, {}, policies), where="the embedded fault server", is_embedded=True)


def _compatible(request: ChatRequest, environ: Mapping[str, str], policies: Sequence[object]) -> Server:
    url = f"{(request.base_url or '').rstrip('/')}/chat/completions"
    key = environ.get(OPENAI_KEY) or None
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    dialect = resolve_dialect("openai")
    client = Client(policies, dialect=dialect, headers=headers)
    backend = ChatCompletions(client, url, dialect, request.max_tokens)
    return Server(backend=backend, where=_place(url), model=request.model, secrets=_secrets(key))


def _secrets(value: str | None) -> list[str]:
    return [] if value is None or len(value) < _SHORTEST_SECRET else [value]


def _place(url: str) -> str:
    """Return a URL without its query, where a token may be."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


_MAKERS: Final = {"direct": _direct, "proxy": _proxy, "compatible": _compatible, "embedded": _embedded}
