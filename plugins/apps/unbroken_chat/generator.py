"""The content generator: a conversation in, an answer out."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self, Unpack, final

from unbroken import Stream
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_retry import RetryConfig

from .config import AnthropicConfig, ProxyConfig
from .credentials import TokenProvider
from .handlers import DirectModeHandler, ProxyModeHandler, SyncOptions
from .messages import ChatMessage
from .modes import BASE_URL, INACTIVITY_TIMEOUT
from .prompt import History, Prompt, Tools, key_or_environment
from .reply import Reply, ReplyStream


class Handler(Protocol):
    """What sends a request for a `ContentGenerator`; `DirectModeHandler` and `ProxyModeHandler` do."""

    def create_stream(self, request: Mapping[str, Any], *, request_id: str | None = None) -> Stream:
        """Prepare the call of `request`, a body of the Messages API."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


@final
class ContentGenerator:
    """Answers messages. Serves many threads; use it with ``with``, or close it.

    ``ContentGenerator(model=…)`` asks the API itself, with `api_key` or that of the environment (development);
    `ContentGenerator.proxy` asks a backend that keeps the key (production); `ContentGenerator.with_handler` asks
    whatever you like. `system` instructs the model, `tools` are definitions as the API writes them; for the other
    arguments see `DirectModeHandler`.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str | None = None,
        system: str | None = None,
        tools: Tools | None = None,
        config: AnthropicConfig = AnthropicConfig(),
        retry_config: RetryConfig | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        stream_inactivity_timeout: float = INACTIVITY_TIMEOUT,
        plugins: Sequence[object] | None = None,
        base_url: str = BASE_URL,
        **options: Unpack[SyncOptions],
    ) -> None:
        self._prompt = Prompt.of(system, tools, None, None)
        self._handler: Handler = DirectModeHandler(
            key_or_environment(api_key),
            model,
            config,
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
        auth_token: str | None = None,
        token_provider: TokenProvider | None = None,
        model: str | None = None,
        system: str | None = None,
        tools: Tools | None = None,
        config: ProxyConfig = ProxyConfig(),
        retry_config: RetryConfig | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        stream_inactivity_timeout: float = INACTIVITY_TIMEOUT,
        plugins: Sequence[object] | None = None,
        **options: Unpack[SyncOptions],
    ) -> "ContentGenerator":
        """Ask a backend that keeps the key; for the arguments see `ProxyModeHandler`."""
        handler = ProxyModeHandler(
            endpoint,
            auth_token,
            token_provider,
            config,
            retry_config=retry_config,
            circuit_breaker=circuit_breaker,
            stream_inactivity_timeout=stream_inactivity_timeout,
            plugins=plugins,
            **options,
        )
        limit = config.history_limit
        return cls.with_handler(handler, system=system, tools=tools, model=model, max_history_messages=limit)

    @classmethod
    def with_handler(
        cls,
        handler: Handler,
        *,
        system: str | None = None,
        tools: Tools | None = None,
        model: str | None = None,
        max_history_messages: int | None = None,
    ) -> "ContentGenerator":
        """Ask `handler`, which is closed with the generator; None as limit sends the whole history."""
        generator = cls.__new__(cls)
        generator._prompt = Prompt.of(system, tools, model, max_history_messages)
        generator._handler = handler
        return generator

    def stream_request(
        self,
        message: str | ChatMessage,
        history: History = (),
        *,
        request_id: str | None = None,
        **parameters: Any,
    ) -> ReplyStream:
        """Prepare the answer to `message`, after `history`: a stream to use with ``with``.

        The history is `ChatMessage`s and earlier `Reply`s, oldest first. `parameters` are further fields of the
        request, sent as they are (``temperature``, ``tool_choice`` …).
        """
        body = self._prompt.request(message, history, parameters)
        return ReplyStream(self._handler.create_stream(body, request_id=request_id))

    def send_request(
        self,
        message: str | ChatMessage,
        history: History = (),
        *,
        request_id: str | None = None,
        **parameters: Any,
    ) -> Reply:
        """Return the whole answer to `message`. Raises the Error of a call that failed, in whatever phase."""
        with self.stream_request(message, history, request_id=request_id, **parameters) as stream:
            return stream.reply()

    def close(self) -> None:
        """Close all connections."""
        self._handler.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ContentGenerator {self._handler!r}>"
