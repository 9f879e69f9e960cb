"""How Unbroken goes under each client that it knows: by the name of its module, so that nothing is imported."""

import copy
import functools
import inspect
import os
import types
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from ._clients import Under, library_of
from ._genai import google_genai
from ._refusals import REASONS, is_within, unknown
from ._warnings import warn_once

_LITELLM: Final = (
    "Unbroken is under the routes of litellm that use its OpenAI client; for others pass client=HTTPHandler(...) that "
    "was protected, and give each call num_retries=0"
)
_COHERE: Final = "cohere has no dialect yet: its answers are plain SSE or plain JSON, proven by a clean end"
_STAINLESS: Final = ("anthropic", "openai", "groq")
_SWAPPED: Final = ("_client", "max_retries")
_warned: set[str] = set()


def stainless(client: Any, under: Under) -> Any:
    """anthropic, openai, groq and others of the same generator: a copy, as their ``with_options`` makes it."""
    if library_of(getattr(client, "_client", None)) is None:
        raise unknown(client, "it has no HTTP client where this version expects it")
    below = under.client(client._client)
    try:
        twin = client.copy(http_client=below, max_retries=0)
        if type(twin) is not type(client) or twin is client or twin._client is not below or twin.max_retries != 0:
            raise TypeError("its copy is not as this version expects it")
    except Exception as error:
        below._state = below._state.__class__.CLOSED  # so that it does not close what the original still needs
        raise unknown(client, f"it cannot be copied: {type(error).__name__}: {error}") from error
    if _root(client) not in _STAINLESS:
        _carry_over(client, twin)
    return twin


def _carry_over(client: Any, twin: Any) -> None:
    """Set on `twin` what the user's own subclass holds and its copy lacks."""
    for name, value in _values(client).items():
        if name not in _SWAPPED and not _is_cached(client, name) and getattr(value, "_client", None) is not client:
            _values(twin)[name] = value


def langchain(model: Any, under: Under) -> Any:
    """A chat model, another model or embeddings: a copy, in which each client and resource of an SDK is protected."""
    for name in ("_client", "_async_client"):
        if _is_cached(model, name):
            getattr(model, name)  # made on first use; from here on it stands among the values
    found = {name: _of_an_sdk(value, under) for name, value in _values(model).items()}
    protected = {name: made for name, made in found.items() if made is not None}
    if not protected:
        raise unknown(model, "it holds no client where this version expects it")
    twin = model.model_copy()
    _values(twin).update(protected)
    return twin


def _of_an_sdk(value: Any, under: Under) -> Any:
    """Return the protected form of a client of an SDK or of one of its resources, None of anything else."""
    if _root(value) not in _STAINLESS or not hasattr(value, "_client"):
        return None
    if library_of(value._client) is None:
        return type(value)(_held(value._client, under))
    return _held(value, under)


def pydantic_ai(thing: Any, under: Under) -> Any:
    """A provider, a model with its provider, or a model around other models: a copy of all of them."""
    kind: Any = thing.__class__
    twin = kind.__new__(kind)  # not copy(): a model around another forwards what it does not have yet
    held, own = _values(thing), _values(twin)
    own.update(held)
    parts = {name: held[name] for name in ("_provider", "wrapped", "client", "_client") if name in held}
    for name, part in parts.items():
        own[name] = _held(part, under)
    if "models" in held:
        own["models"] = type(held["models"])([_held(model, under) for model in held["models"]])
    elif not parts:
        raise unknown(thing, "it has no provider and no client")
    if held.get("_http_client_factory") is not None:  # a provider renews the HTTP client that it has made
        own["_http_client_factory"] = lambda: under.client(thing._http_client_factory())
        own["_own_http_client"] = twin._client._client
    own.pop("_enter_lock", None)
    if "_entered_count" in held:
        own["_entered_count"] = 0
    return twin


def openai_agents(model: Any, under: Under) -> Any:
    """A model, or a provider that was given a client."""
    if "WS" in type(model).__name__ or getattr(model, "_responses_transport", "http") == "websocket":
        raise unknown(model, "it speaks over a WebSocket")
    if getattr(model, "_client", None) is None:
        raise unknown(model, "it has no client yet: give it openai_client=protect(openai.AsyncOpenAI())")
    twin = copy.copy(model)
    twin._client = _held(model._client, under)
    return twin


def mistralai(client: Any, under: Under) -> Any:
    """The client itself, whose two HTTP clients are exchanged; its own retries are switched off."""
    settings: Any = getattr(client, "sdk_configuration", None)
    held = {name: getattr(settings, name, None) for name in ("client", "async_client")}
    protected = {name: under.client(http) for name, http in held.items() if http is not None}
    if not protected:
        raise unknown(client, "it has no HTTP client where this version expects it")
    for name, http in protected.items():
        setattr(settings, name, http)
    settings.retry_config = None
    return client


def cohere(client: Any, under: Under) -> Any:
    """The client itself, whose HTTP client is exchanged; its own retries are switched off."""
    wrapper: Any = getattr(client, "_client_wrapper", None)
    http: Any = getattr(wrapper, "httpx_client", None)
    if library_of(getattr(http, "httpx_client", None)) is None:
        raise unknown(client, "it has no HTTP client where this version expects it")
    http.httpx_client = under.client(http.httpx_client)
    for holder, name in ((http, "base_max_retries"), (wrapper, "_max_retries")):
        if hasattr(holder, name):
            setattr(holder, name, 0)
    if under.dialect == "auto":
        warn_once(_warned, _COHERE)
    return client


def ollama(client: Any, under: Under) -> Any:
    """A copy of the client, which has no retries of its own."""
    if library_of(getattr(client, "_client", None)) is None:
        raise unknown(client, "it has no HTTP client where this version expects it")
    twin = copy.copy(client)
    twin._client = under.client(client._client)
    return twin


def litellm(thing: Any, under: Under) -> Any:
    """The module, whose sessions are set, or one of its handlers, whose client is exchanged."""
    if not isinstance(thing, types.ModuleType):
        if library_of(getattr(thing, "client", None)) is None:
            raise unknown(thing, "it has no HTTP client where this version expects it")
        thing.client = under.client(thing.client)
        return thing
    made = {name: under.client(session) for name, session in _sessions(thing).items()}
    for name, session in made.items():
        setattr(thing, name, session)
    thing.in_memory_llm_clients_cache.flush_cache()  # clients that it has made over other sessions
    warn_once(_warned, _LITELLM)
    return thing


def _sessions(module: Any) -> dict[str, Any]:
    """Return the sessions of litellm, or those that it would make, with its settings for TLS."""
    try:
        verify = import_module("litellm.llms.custom_httpx.http_handler").get_ssl_configuration()
        given = {name: getattr(module, name) for name in ("client_session", "aclient_session")}
        cert = os.getenv("SSL_CERTIFICATE", module.ssl_certificate)
        _ = module.in_memory_llm_clients_cache.flush_cache
    except (ImportError, AttributeError) as error:
        raise unknown(module, f"it is not as this version expects it: {error}") from error
    library = import_module("httpx")
    kinds = {"client_session": library.Client, "aclient_session": library.AsyncClient}
    return {
        name: session or kinds[name](verify=verify, cert=cert, follow_redirects=True) for name, session in given.items()
    }


SEAMS: Final[dict[str, Callable[[Any, Under], Any]]] = {
    **dict.fromkeys(_STAINLESS, stainless),
    "langchain_openai": langchain,
    "langchain_anthropic": langchain,
    "pydantic_ai": pydantic_ai,
    "agents": openai_agents,
    "mistralai": mistralai,
    "cohere": cohere,
    "google.genai": google_genai,
    "ollama": ollama,
    "litellm": litellm,
}


def seam_of(thing: Any) -> Callable[[Any, Under], Any]:
    """Return how Unbroken goes under `thing`. Raises ConfigurationError for what it does not know."""
    if library_of(thing) is not None:
        return lambda client, under: under.client(client)
    modules = [thing] if isinstance(thing, types.ModuleType) else []
    for name in [module.__name__ for module in modules] or [base.__module__ for base in type(thing).__mro__]:
        seam = next((seam for package, seam in SEAMS.items() if is_within(name, package)), None)
        if seam is not None and (not modules or name == "litellm"):
            return seam
        why = next((why for package, why in REASONS.items() if is_within(name, package)), None)
        if why is not None:
            raise unknown(thing, why)
    raise unknown(thing, "it is none of those that protect() knows")


def _held(thing: Any, under: Under) -> Any:
    """Return the protected form of what another object holds: the same for the same."""
    if id(thing) not in under.made:
        under.made[id(thing)] = seam_of(thing)(thing, under)
    return under.made[id(thing)]


def _root(thing: object) -> str:
    return type(thing).__module__.partition(".")[0]


def _values(thing: object) -> dict[str, Any]:
    return vars(thing)


def _is_cached(thing: object, name: str) -> bool:
    return isinstance(inspect.getattr_static(type(thing), name, None), functools.cached_property)
