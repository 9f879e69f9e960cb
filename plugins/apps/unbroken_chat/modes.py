"""The URL, headers and body of the requests of each mode, shared by the sync and the async handlers."""

import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from unbroken import Clock, Headers, Request
from unbroken.validators import must_be, refused

from .config import AnthropicConfig, ModeConfig, ProxyConfig
from .credentials import Credentials, RequestId, TokenProvider

BASE_URL: Final = "https://api.anthropic.com"


class ClientOptions(TypedDict, total=False):
    """Arguments of `unbroken.Client` and `unbroken.AsyncClient` that a handler passes on."""

    clock: Clock | None
    commit: Any
    max_event_size: int
    verify: ssl.SSLContext | str | bool
    proxy: str | None
    trust_env: bool
    max_connections: int
    insecure: bool | None


class Mode:
    """Where requests are sent and what is added to them."""

    def __init__(self, url: str, config: ModeConfig, headers: Headers, plugins: Sequence[object]) -> None:
        Request.build("POST", url)  # refuses a bad URL now, not with the first message
        self.url = url
        self.config = config
        self.headers = headers
        self.plugins = plugins

    def body(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body to send for `request`. It always asks for a stream."""
        return {**request, "stream": True}


class DirectMode(Mode):
    """Requests to the API itself, with an API key."""

    def __init__(
        self, api_key: str, model: str, config: AnthropicConfig, base_url: str, plugins: Sequence[object]
    ) -> None:
        url = f"{base_url.rstrip('/')}/v1/messages"
        super().__init__(url, config, config.all_headers(), [*plugins, Credentials("x-api-key", api_key)])
        must_be("model", model, str, "the name of a model")
        self._defaults = {"model": model, **config.parameters()}

    def body(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body to send for `request`. Fields of `request` take precedence over configured ones."""
        return {**self._defaults, **super().body(request)}


class ProxyMode(Mode):
    """Requests to a backend, with a token of the user."""

    def __init__(
        self,
        endpoint: str,
        auth_token: str | None,
        token_provider: TokenProvider | None,
        config: ProxyConfig,
        plugins: Sequence[object],
    ) -> None:
        if auth_token is not None and token_provider is not None:
            raise refused("token_provider", "cannot be given together with auth_token")
        if auth_token is not None:
            must_be("auth_token", auth_token, str, "text (a function is a token_provider)")
        if token_provider is not None and not callable(token_provider):
            raise refused("token_provider", f"must be a function, not {type(token_provider).__name__}")
        token = auth_token if auth_token is not None else token_provider
        # Last, so that an Authorization header set by another plugin is kept.
        credentials: list[object] = [] if token is None else [Credentials("Authorization", token, scheme="Bearer ")]
        super().__init__(endpoint, config, config.headers, [RequestId(), *plugins, *credentials])
