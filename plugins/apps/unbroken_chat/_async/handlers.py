"""Handlers for asyncio and trio: they send requests to the API itself or to a backend that keeps the key."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, Unpack, final

from unbroken import AsyncClient, AsyncStream, AsyncTransport
from unbroken_circuit_breaker import CircuitBreaker

from ..api import Api
from ..apis import ApiName, api_of
from ..config import DirectConfig, ModeConfig, ProxyConfig
from ..credentials import TokenProvider
from ..modes import ClientOptions, DirectMode, Mode, ProxyMode
from ..policies import RetrySettings, policies
from ..resume import Resume


class AsyncOptions(ClientOptions, total=False):
    """Options of `unbroken.AsyncClient` that a handler or a content generator passes on."""

    transport: AsyncTransport | None


class _ModeHandler:
    """Send requests in the format of an API. Use it with ``async with``, or close it."""

    def __init__(self, mode: Mode, options: AsyncOptions) -> None:
        self._mode = mode
        self._client = AsyncClient(mode.plugins, dialect=mode.api.dialect(), headers=mode.headers, **options)

    @property
    def api(self) -> Api:
        """The API that the requests are for."""
        return self._mode.api

    @property
    def url(self) -> str:
        """Where the requests are sent; an API whose URLs name the model may send a request elsewhere."""
        return self._mode.url

    @property
    def config(self) -> ModeConfig:
        """The settings of the mode."""
        return self._mode.config

    def create_stream(self, request: Mapping[str, Any], *, request_id: str | None = None) -> AsyncStream:
        """Prepare the call for `request`, a body of the API (``messages``, ``tools`` …).

        Use the stream with ``async with`` and iterate it. It gives events (``event["type"]``, ``event.request_id``) and
        raises the Error of a call that failed. Raises ConfigurationError for a body that JSON cannot hold.
        """
        url, body = self._mode.request(request)
        return self._client.stream("POST", url, json=body, request_id=request_id)

    def describe(self) -> str:
        """Return the dialect and the plugins as text."""
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
class AsyncDirectModeHandler(_ModeHandler):
    """Send requests to the API itself, for development. The key appears in no repr or log.

    `api` is the API. None for `api_key` is for servers that need no key. `model` and `config` provide the fields that a
    request does not have. `stream_inactivity_timeout` is the seconds that a stream may go without progress, also while
    the model thinks; None means the defaults of `unbroken.Timeouts`, which distinguish the two. It, `retry_config` and
    `circuit_breaker` configure the plugins: timeout, retry, circuit breaker (if given), rate limit. `plugins` replaces
    that list. `options` go to the client.
    """

    def __init__(
        self,
        api_key: str | None,
        model: str | None,
        config: DirectConfig | None = None,
        *,
        api: Api | ApiName = "messages",
        retry_config: RetrySettings | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        stream_inactivity_timeout: float | None = None,
        plugins: Sequence[object] | None = None,
        base_url: str | None = None,
        **options: Unpack[AsyncOptions],
    ) -> None:
        spoken = api_of(api, base_url)
        config = spoken.config_class() if config is None else config
        chosen = policies(config, retry_config, circuit_breaker, stream_inactivity_timeout, plugins)
        super().__init__(DirectMode(spoken, api_key, model, config, base_url, chosen), options)


@final
class AsyncProxyModeHandler(_ModeHandler):
    """Send requests to a backend that keeps the key, in the format of `api`, for production.

    The token is sent as a bearer token and appears in no repr or log; `token_provider` is called for each attempt. The
    id of the call is sent as ``X-Request-ID``. With `resume` a stream whose connection was lost goes on where it was,
    if the backend has resumable streams, as `unbroken_gateway` does: see `Resume`. The other arguments are those of
    `AsyncDirectModeHandler`.
    """

    def __init__(
        self,
        endpoint: str,
        auth_token: str | None = None,
        token_provider: TokenProvider | None = None,
        config: ProxyConfig = ProxyConfig(),
        *,
        api: Api | ApiName = "messages",
        retry_config: RetrySettings | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        stream_inactivity_timeout: float | None = None,
        plugins: Sequence[object] | None = None,
        resume: bool = False,
        **options: Unpack[AsyncOptions],
    ) -> None:
        chosen = policies(config, retry_config, circuit_breaker, stream_inactivity_timeout, plugins)
        chosen = [Resume(), *chosen] if resume else chosen
        super().__init__(
            ProxyMode(api_of(api, endpoint), endpoint, auth_token, token_provider, config, chosen), options
        )
