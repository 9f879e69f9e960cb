"""The URL, headers and body of the requests of each mode, shared by the sync and the async handlers."""

import ssl
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from unbroken import Clock, Headers, Request
from unbroken.validators import must_be, refused

from .api import Api
from .config import DirectConfig, ModeConfig, ProxyConfig
from .credentials import Credentials, RequestId, TokenProvider


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

    def __init__(self, api: Api, url: str, config: ModeConfig, headers: Headers, plugins: Sequence[object]) -> None:
        Request.build("POST", url)  # refuses a bad URL now, not with the first message
        self.api = api
        self.url = url
        self.config = config
        self.headers = headers
        self.plugins = plugins

    def request(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the URL and the body for `request`. The body always asks for a stream."""
        return self.url, self.api.sent(request)


class DirectMode(Mode):
    """Requests to the API itself, with an API key unless the server needs none."""

    def __init__(
        self,
        api: Api,
        api_key: str | None,
        model: str | None,
        config: DirectConfig | None,
        base_url: str | None,
        plugins: Sequence[object],
    ) -> None:
        config = api.config_class() if config is None else config
        defaults: dict[str, Any] = api.settings(config)
        self._base_url = api.base_url if base_url is None else base_url
        if model is not None:
            must_be("model", model, str, "the name of a model")
            defaults = {"model": model, **defaults}
        keyless = api_key is None and not api.needs_key(self._base_url)
        key: list[object] = [] if keyless else [Credentials(api.key_header, api_key or "", scheme=api.key_scheme)]
        super().__init__(api, api.url(self._base_url, defaults), config, config.all_headers(), [*plugins, *key])
        self._defaults: dict[str, Any] = defaults

    def request(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the URL and the body for `request`. Its fields take precedence over configured ones."""
        body = self.api.merged(self._defaults, request)
        return self.api.url(self._base_url, body), self.api.sent(body)


class ProxyMode(Mode):
    """Requests to a backend, with a token of the user."""

    def __init__(
        self,
        api: Api,
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
        super().__init__(api, endpoint, config, config.headers, [RequestId(), *plugins, *credentials])
