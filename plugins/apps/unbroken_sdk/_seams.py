"""How Unbroken goes under each client that it knows: by the name of its module, so that nothing is imported."""

import copy
import types
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from unbroken.validators import refused

from ._clients import Under, library_of
from ._warnings import warn_once

LONG_FORM: Final = "give its HTTP client a transport of unbroken_sdk.httpx or unbroken_sdk.httpx2 instead"
_LITELLM: Final = (
    "Unbroken is under the routes of litellm that use its OpenAI client; for others pass client=HTTPHandler(...) that "
    "was protected, and give each call num_retries=0"
)
_warned: set[str] = set()


def stainless(client: Any, under: Under) -> Any:
    """anthropic, openai, groq and others of the same generator: a copy, as their ``with_options`` makes it."""
    if "Bedrock" in type(client).__name__:
        raise refused("client", "speaks the binary frames of Bedrock, which Unbroken cannot read yet")
    try:
        return client.copy(http_client=under.client(client._client), max_retries=0)
    except (AttributeError, TypeError) as error:
        raise _unknown(client, f"{type(error).__name__}: {error}") from error


def langchain_openai(model: Any, under: Under) -> Any:
    """A chat model or embeddings: each resource of the SDK that it holds is made anew over a protected client."""
    roots: dict[int, Any] = {}

    def protected(root: Any) -> Any:
        if id(root) not in roots:
            roots[id(root)] = stainless(root, under)
        return roots[id(root)]

    update: dict[str, Any] = {}
    for name in ("root_client", "root_async_client"):
        if getattr(model, name, None) is not None:
            update[name] = protected(getattr(model, name))
    for name in ("client", "async_client"):
        resource = getattr(model, name, None)
        if resource is not None:
            update[name] = type(resource)(protected(resource._client))
    if not update:
        raise _unknown(model, "it holds no client")
    return model.model_copy(update=update)


def langchain_anthropic(model: Any, under: Under) -> Any:
    """A chat model: a copy whose clients, which it makes when they are first used, are protected ones."""
    twin = model.model_copy()
    for name in ("_client", "_async_client"):
        twin.__dict__[name] = stainless(getattr(model, name), under)
    return twin


def pydantic_ai(thing: Any, under: Under) -> Any:
    """A provider, or a model with its provider."""
    twin = copy.copy(thing)
    if hasattr(thing, "_provider"):
        twin._provider = pydantic_ai(thing._provider, under)
    elif hasattr(thing, "_client"):
        twin._client = stainless(thing._client, under)
    else:
        raise _unknown(thing, "it has no provider and no client")
    return twin


def openai_agents(model: Any, under: Under) -> Any:
    """A model, or a provider that was given a client."""
    if getattr(model, "_client", None) is None:
        raise _unknown(model, "it has no client yet: give it openai_client=protect(openai.AsyncOpenAI())")
    twin = copy.copy(model)
    twin._client = stainless(model._client, under)
    return twin


def mistralai(client: Any, under: Under) -> Any:
    """The client itself, whose two HTTP clients are exchanged."""
    settings = client.sdk_configuration
    for name in ("client", "async_client"):
        if getattr(settings, name, None) is not None:
            setattr(settings, name, under.client(getattr(settings, name)))
    return client


def cohere(client: Any, under: Under) -> Any:
    """The client itself, whose HTTP client is exchanged; its own retries are switched off."""
    http = client._client_wrapper.httpx_client
    http.httpx_client = under.client(http.httpx_client)
    for holder, name in ((http, "base_max_retries"), (client._client_wrapper, "_max_retries")):
        if hasattr(holder, name):
            setattr(holder, name, 0)
    return client


def litellm(thing: Any, under: Under) -> Any:
    """The module, whose sessions are set, or one of its handlers, whose client is exchanged."""
    if not isinstance(thing, types.ModuleType):
        thing.client = under.client(thing.client)
        return thing
    library = import_module("httpx")
    for name, kind in (("client_session", library.Client), ("aclient_session", library.AsyncClient)):
        setattr(thing, name, under.client(getattr(thing, name, None) or kind(follow_redirects=True)))
    warn_once(_warned, _LITELLM)
    return thing


SEAMS: Final[dict[str, Callable[[Any, Under], Any]]] = {
    "anthropic": stainless,
    "openai": stainless,
    "groq": stainless,
    "langchain_openai": langchain_openai,
    "langchain_anthropic": langchain_anthropic,
    "pydantic_ai": pydantic_ai,
    "agents": openai_agents,
    "mistralai": mistralai,
    "cohere": cohere,
    "litellm": litellm,
}


def seam_of(thing: Any) -> Callable[[Any, Under], Any]:
    """Return how Unbroken goes under `thing`. Raises ConfigurationError for what it does not know."""
    if library_of(thing) is not None:
        return lambda client, under: under.client(client)
    modules = [thing] if isinstance(thing, types.ModuleType) else []
    names = [module.__name__ for module in modules] or [base.__module__ for base in type(thing).__mro__]
    for name in names:
        seam = SEAMS.get(name.partition(".")[0])
        if seam is not None and (not modules or name == "litellm"):
            return seam
    raise _unknown(thing, "it is none of those that protect() knows")


def _unknown(thing: Any, why: str) -> Exception:
    what = thing.__name__ if isinstance(thing, types.ModuleType) else f"{type(thing).__module__}.{type(thing).__name__}"
    return refused("client", f"cannot be protected: {what}: {why}; {LONG_FORM}")
