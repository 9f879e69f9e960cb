"""The two ways to Claude: directly with a key, or through a backend that keeps the key. Both in both colours."""

import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Self, TypedDict, Unpack, final

from unbroken import AsyncClient, AsyncStream, AsyncTransport, Client, Clock, Stream, Transport
from unbroken_anthropic import Anthropic
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_retry import RetryConfig

from .config import AnthropicConfig, ProxyConfig
from .credentials import TokenProvider
from .modes import BASE_URL, INACTIVITY_TIMEOUT, DirectMode, Mode, ModeConfig, ProxyMode, policies


class Options(TypedDict, total=False):
    """Arguments of the client that a handler passes on; see `unbroken.Client`."""

    clock: Clock | None
    commit: Any
    max_event_size: int
    verify: ssl.SSLContext | str | bool
    proxy: str | None
    trust_env: bool
    max_connections: int


class SyncOptions(Options, total=False):
    """With the transport of a `Client`."""

    transport: Transport | None


class AsyncOptions(Options, total=False):
    """With the transport of an `AsyncClient`."""

    transport: AsyncTransport | None


class _Handler:
    """Sends requests in the format of the Messages API. Use it with ``with``, or close it."""

    def __init__(self, mode: Mode, options: SyncOptions) -> None:
        self._mode = mode
        self._client = Client(mode.plugins, dialect=Anthropic(), headers=mode.headers, **options)

    @property
    def config(self) -> ModeConfig:
        """The settings."""
        return self._mode.config

    def create_stream(self, request: Mapping[str, Any], *, request_id: str | None = None) -> Stream:
        """Prepare the call of `request`, a body of the Messages API (``messages``, ``system``, ``tools`` …).

        The stream is used with ``with`` and iterated; it gives events (``event["type"]``, ``event.request_id``) and
        raises the Error of a call that failed. Raises ConfigurationError for what is not JSON.
        """
        return self._client.stream("POST", self._mode.url, json=self._mode.body(request), request_id=request_id)

    def describe(self) -> str:
        """Return the resolved pipeline as text."""
        return self._client.describe()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._mode.url}>"


class _AsyncHandler:
    """Sends requests in the format of the Messages API. Use it with ``async with``, or close it."""

    def __init__(self, mode: Mode, options: AsyncOptions) -> None:
        self._mode = mode
        self._client = AsyncClient(mode.plugins, dialect=Anthropic(), headers=mode.headers, **options)

    @property
    def config(self) -> ModeConfig:
        """The settings."""
        return self._mode.config

    def create_stream(self, request: Mapping[str, Any], *, request_id: str | None = None) -> AsyncStream:
        """Prepare the call of `request`; as that of the blocking handler, for ``async with`` and ``async for``."""
        return self._client.stream("POST", self._mode.url, json=self._mode.body(request), request_id=request_id)

    def describe(self) -> str:
        """Return the resolved pipeline as text."""
        return self._client.describe()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._mode.url}>"


@final
class DirectModeHandler(_Handler):
    """For development: asks the API itself. The key is sent as ``x-api-key`` and shown nowhere.

    `model` and `config` fill what a request does not set itself. `stream_inactivity_timeout` is how many seconds a
    stream may be without progress. It, `retry_config` and `circuit_breaker` stand for plugins: timeout, retry, the
    breaker if there is one, rate limit; `plugins` replaces that list. `options` are those of the client.
    """

    def __init__(
        self,
        api_key: str,
        model: str,
        config: AnthropicConfig = AnthropicConfig(),
        *,
        retry_config: RetryConfig | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        stream_inactivity_timeout: float = INACTIVITY_TIMEOUT,
        plugins: Sequence[object] | None = None,
        base_url: str = BASE_URL,
        **options: Unpack[SyncOptions],
    ) -> None:
        asked = policies(config, retry_config, circuit_breaker, stream_inactivity_timeout, plugins)
        super().__init__(DirectMode(api_key, model, config, base_url, asked), options)


@final
class ProxyModeHandler(_Handler):
    """For production: asks a backend that keeps the key, in the format of the Messages API.

    The token is sent as bearer token, that of `token_provider` anew with each attempt; neither is shown. The id of the
    call is sent as ``X-Request-ID``. The other arguments are those of `DirectModeHandler`.
    """

    def __init__(
        self,
        endpoint: str,
        auth_token: str | None = None,
        token_provider: TokenProvider | None = None,
        config: ProxyConfig = ProxyConfig(),
        *,
        retry_config: RetryConfig | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        stream_inactivity_timeout: float = INACTIVITY_TIMEOUT,
        plugins: Sequence[object] | None = None,
        **options: Unpack[SyncOptions],
    ) -> None:
        asked = policies(config, retry_config, circuit_breaker, stream_inactivity_timeout, plugins)
        super().__init__(ProxyMode(endpoint, auth_token, token_provider, config, asked), options)


@final
class AsyncDirectModeHandler(_AsyncHandler):
    """As `DirectModeHandler`, for asyncio and trio."""

    def __init__(
        self,
        api_key: str,
        model: str,
        config: AnthropicConfig = AnthropicConfig(),
        *,
        retry_config: RetryConfig | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        stream_inactivity_timeout: float = INACTIVITY_TIMEOUT,
        plugins: Sequence[object] | None = None,
        base_url: str = BASE_URL,
        **options: Unpack[AsyncOptions],
    ) -> None:
        asked = policies(config, retry_config, circuit_breaker, stream_inactivity_timeout, plugins)
        super().__init__(DirectMode(api_key, model, config, base_url, asked), options)


@final
class AsyncProxyModeHandler(_AsyncHandler):
    """As `ProxyModeHandler`, for asyncio and trio; `token_provider` may be a coroutine function."""

    def __init__(
        self,
        endpoint: str,
        auth_token: str | None = None,
        token_provider: TokenProvider | None = None,
        config: ProxyConfig = ProxyConfig(),
        *,
        retry_config: RetryConfig | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        stream_inactivity_timeout: float = INACTIVITY_TIMEOUT,
        plugins: Sequence[object] | None = None,
        **options: Unpack[AsyncOptions],
    ) -> None:
        asked = policies(config, retry_config, circuit_breaker, stream_inactivity_timeout, plugins)
        super().__init__(ProxyMode(endpoint, auth_token, token_provider, config, asked), options)
