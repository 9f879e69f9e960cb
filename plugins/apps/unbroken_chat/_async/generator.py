"""The content generator for asyncio and trio: it turns a conversation into a reply."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Self, Unpack, final

from unbroken import AsyncStream
from unbroken.validators import must_be
from unbroken_circuit_breaker import CircuitBreaker

from ..api import Api
from ..apis import ApiName, api_of
from ..config import DirectConfig, ProxyConfig
from ..credentials import TokenProvider
from ..messages import ChatMessage
from ..policies import RetrySettings
from ..prompt import History, Prompt, Tools, key_or_environment
from ..reply import Reply
from .handlers import AsyncDirectModeHandler, AsyncOptions, AsyncProxyModeHandler
from .stream import AsyncReplyStream


class AsyncHandler(Protocol):
    """Send requests for `AsyncContentGenerator`, as `AsyncDirectModeHandler` and `AsyncProxyModeHandler` do."""

    def create_stream(self, request: Mapping[str, Any], *, request_id: str | None = None) -> AsyncStream:
        """Prepare the call for `request`, a body of the API."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


@final
class AsyncContentGenerator:
    """Turn a conversation into a reply. It may be shared by asyncio or trio tasks. Use ``async with``, or close it.

    ``AsyncContentGenerator(model=…)`` sends requests to the API itself, with `api_key` or the key of the environment
    (development). `AsyncContentGenerator.proxy` sends them to a backend that keeps the key (production).
    `AsyncContentGenerator.with_handler` sends them through a handler of your own. `api` is ``messages`` (Anthropic),
    ``responses`` or ``chat-completions`` (OpenAI and compatible servers at `base_url`), or an `Api`. `system` is the
    system prompt, `tools` are definitions in the format of the Messages API or of the API itself. For the other
    arguments see `AsyncDirectModeHandler`.
    """

    def __init__(
        self,
        *,
        model: str,
        api: Api | ApiName = "messages",
        api_key: str | None = None,
        system: str | None = None,
        tools: Tools | None = None,
        config: DirectConfig | None = None,
        retry_config: RetrySettings | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        stream_inactivity_timeout: float | None = None,
        plugins: Sequence[object] | None = None,
        base_url: str | None = None,
        **options: Unpack[AsyncOptions],
    ) -> None:
        spoken = api_of(api, base_url)
        must_be("model", model, str, "the name of a model")
        self._prompt = Prompt.of(spoken, system, tools, None, None, None)
        self._handler: AsyncHandler = AsyncDirectModeHandler(
            key_or_environment(spoken, api_key, base_url),
            model,
            config,
            api=spoken,
            retry_config=retry_config,
            circuit_breaker=circuit_breaker,
            stream_inactivity_timeout=stream_inactivity_timeout,
            plugins=plugins,
            base_url=base_url,
            **options,
        )

    @classmethod
    def proxy(
        cls,
        endpoint: str,
        *,
        api: Api | ApiName = "messages",
        auth_token: str | None = None,
        token_provider: TokenProvider | None = None,
        model: str | None = None,
        max_tokens: int | Literal["default"] | None = "default",
        system: str | None = None,
        tools: Tools | None = None,
        config: ProxyConfig = ProxyConfig(),
        retry_config: RetrySettings | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        stream_inactivity_timeout: float | None = None,
        plugins: Sequence[object] | None = None,
        resume: bool = False,
        **options: Unpack[AsyncOptions],
    ) -> "AsyncContentGenerator":
        """Send requests to a backend that keeps the key. For the arguments see `AsyncProxyModeHandler`.

        `model`, if given, and `max_tokens` are part of each request; with None the backend chooses. The default is 4096
        for the Messages API, which requires it, and None for others.
        """
        spoken = api_of(api, endpoint)
        handler = AsyncProxyModeHandler(
            endpoint,
            auth_token,
            token_provider,
            config,
            api=spoken,
            retry_config=retry_config,
            circuit_breaker=circuit_breaker,
            stream_inactivity_timeout=stream_inactivity_timeout,
            plugins=plugins,
            resume=resume,
            **options,
        )
        return cls.with_handler(
            handler,
            api=spoken,
            system=system,
            tools=tools,
            model=model,
            max_tokens=spoken.max_tokens if max_tokens == "default" else max_tokens,
            max_history_messages=config.history_limit,
        )

    @classmethod
    def with_handler(
        cls,
        handler: AsyncHandler,
        *,
        api: Api | ApiName | None = None,
        system: str | None = None,
        tools: Tools | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
        max_history_messages: int | None = None,
    ) -> "AsyncContentGenerator":
        """Send requests through `handler`. Closing the generator closes it; no limit means the whole history.

        `api` is that of the handler if it has one, as the library's have, otherwise Messages.
        """
        own: Api | ApiName = getattr(handler, "api", "messages")
        generator = cls.__new__(cls)
        generator._prompt = Prompt.of(
            api_of(own if api is None else api), system, tools, model, max_tokens, max_history_messages
        )
        generator._handler = handler
        return generator

    def stream_request(
        self,
        message: str | ChatMessage | Mapping[str, Any],
        history: History = (),
        *,
        request_id: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> AsyncReplyStream:
        """Prepare the reply to `message` after `history`. Use the stream with ``async with``.

        The history is `ChatMessage`s, dicts in the format of the API and earlier `Reply`s, oldest first. `max_tokens`,
        `system` and `tools` are written as the API has them; all other `parameters` are further fields of the request
        and are sent unchanged (``temperature``, ``tool_choice`` …), as are those of `extra_body`. Raises
        ConfigurationError for a name that is nearly the one of a field, unless it is in `extra_body`, for
        ``stream=False``, and for what the API cannot be sent; that names the message.
        """
        body = self._prompt.request(message, history, parameters, extra_body)
        stream = self._handler.create_stream(body, request_id=request_id)
        return AsyncReplyStream(stream, self._prompt.api, body)

    async def send_request(
        self,
        message: str | ChatMessage | Mapping[str, Any],
        history: History = (),
        *,
        request_id: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Reply:
        """Return the complete reply to `message`. Raises the Error of a call that failed.

        Nothing is shown before the end, so a reply that is cut, stalls or is broken is asked for again like a request
        that failed.
        """
        stream = self.stream_request(message, history, request_id=request_id, extra_body=extra_body, **parameters)
        return await stream.whole()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._handler.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<AsyncContentGenerator {self._handler!r}>"
