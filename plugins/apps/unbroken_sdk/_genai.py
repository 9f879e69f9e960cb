"""How Unbroken goes under google-genai."""

import sys
from typing import Any, Final

from ._clients import Under, library_of
from ._refusals import unknown

_HTTP: Final = ("_httpx_client", "_async_httpx_client")
_GENERATED: Final = ("._gaos.", "._interactions.")
_GOOGLE_AUTH: Final = ("_use_google_auth_sync", "_use_google_auth_async")


def google_genai(client: Any, under: Under) -> Any:
    """The client itself, whose two HTTP clients are exchanged; its own retries are switched off.

    Where aiohttp is installed its async calls would go over that; now they go over its HTTP client for httpx or httpx2.
    """
    calls: Any = getattr(client, "_api_client", None)
    if any(library_of(getattr(calls, name, None)) is None for name in _HTTP):
        raise unknown(client, "it has no HTTP clients where this version expects them")
    if any(getattr(calls, name, bool)() for name in _GOOGLE_AUTH):
        raise unknown(client, "with a client certificate of Google it sends over requests and aiohttp")
    options = calls._http_options
    if getattr(options, "aiohttp_client", None) is not None:
        raise unknown(client, "it was given an aiohttp_client: leave it out")
    sync, asynchronous = (under.client(getattr(calls, name)) for name in _HTTP)
    if hasattr(asynchronous, "_per_loop"):
        asynchronous._per_loop = False  # a client below for each event loop, which ours does not need
        asynchronous._loop_clients = {}
    arguments: dict[str, Any] = dict(options.async_client_args or {})
    changed: dict[str, Any] = {"async_client_args": arguments | {"transport": asynchronous._transport}}
    retries = getattr(sys.modules.get("google.genai.types"), "HttpRetryOptions", None)
    if retries is not None:
        changed["retry_options"] = retries(attempts=1)
    calls._http_options = options.model_copy(update=changed)
    calls._httpx_client, calls._async_httpx_client = sync, asynchronous
    for name in ("_retry", "_async_retry"):
        if hasattr(calls, name):
            setattr(calls, name, getattr(calls, name).copy(retry=_never))
    _forget_resources(client)
    return client


def _never(state: Any) -> bool:
    return False


def _forget_resources(client: Any) -> None:
    """Forget what holds an HTTP client of its own; it is made again on use."""
    holders: list[Any] = [client, getattr(client, "_aio", client)]
    for holder in holders:
        values = _values(holder)
        for name, value in values.items():
            if any(package in f"{type(value).__module__}." for package in _GENERATED):
                values[name] = None


def _values(thing: object) -> dict[str, Any]:
    return vars(thing)
