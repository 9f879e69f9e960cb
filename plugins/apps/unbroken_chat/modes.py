"""What a request is sent to, and what goes with it: all that the blocking and the awaiting handlers share."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from unbroken import Headers, Request
from unbroken.validators import refused
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry, RetryConfig
from unbroken_timeout import Timeout

from .checks import must_be
from .config import AnthropicConfig, ProxyConfig
from .credentials import Credentials, RequestId, TokenProvider

BASE_URL: Final = "https://api.anthropic.com"
INACTIVITY_TIMEOUT: Final = 60.0
ModeConfig = AnthropicConfig | ProxyConfig


class Mode:
    """One way to the API."""

    def __init__(self, url: str, config: ModeConfig, headers: Headers, plugins: Sequence[object]) -> None:
        Request.build("POST", url)  # a bad one is refused now, not with the first message
        self.url = url
        self.config = config
        self.headers = headers
        self.plugins = plugins

    def body(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body for `request`; what it says itself goes before what is configured."""
        return {**request, "stream": True}


class DirectMode(Mode):
    """To the API itself, with a key."""

    def __init__(
        self, api_key: str, model: str, config: AnthropicConfig, base_url: str, plugins: Sequence[object]
    ) -> None:
        url = f"{base_url.rstrip('/')}/v1/messages"
        super().__init__(url, config, config.all_headers(), [*plugins, Credentials("x-api-key", api_key)])
        must_be("model", model, str, "the name of a model")
        self._defaults = {"model": model, **config.parameters()}

    def body(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body for `request`, with the model and the parameters that it does not set itself."""
        return {**self._defaults, **super().body(request)}


class ProxyMode(Mode):
    """To a backend, with a token of the user."""

    def __init__(
        self,
        endpoint: str,
        auth_token: str | None,
        token_provider: TokenProvider | None,
        config: ProxyConfig,
        plugins: Sequence[object],
    ) -> None:
        if auth_token is not None and token_provider is not None:
            raise refused("token_provider", "is there in place of auth_token; give one of them")
        if auth_token is not None:
            must_be("auth_token", auth_token, str, "text (a function is a token_provider)")
        if token_provider is not None and not callable(token_provider):
            raise refused("token_provider", f"must be a function, not {type(token_provider).__name__}")
        token = auth_token if auth_token is not None else token_provider
        # Behind the others, so that what another plugin has put on the request stays.
        asking: list[object] = [] if token is None else [Credentials("Authorization", token, scheme="Bearer ")]
        super().__init__(endpoint, config, config.headers, [RequestId(), *plugins, *asking])


def policies(
    config: ModeConfig,
    retry_config: RetryConfig | None,
    circuit_breaker: CircuitBreaker | None,
    stream_inactivity_timeout: float,
    plugins: Sequence[object] | None,
) -> list[object]:
    """Return the plugins that the arguments stand for, or those that are given in their place."""
    if plugins is not None:
        given = {"retry_config": retry_config, "circuit_breaker": circuit_breaker}
        for name, value in given.items():
            if value is not None:
                raise refused(name, "has no effect beside plugins, which replace the whole list; put it among them")
        return list(plugins)
    retry = RetryConfig(max_retries=config.retry_attempts) if retry_config is None else retry_config
    timeout = Timeout(first_event=config.timeout, idle=stream_inactivity_timeout)
    breaker = [] if circuit_breaker is None else [circuit_breaker]
    return [timeout, Retry(retry), *breaker, RateLimit()]
