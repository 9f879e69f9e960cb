"""A client for servers that speak Chat Completions (https://platform.openai.com/docs/api-reference/chat)."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, final

from unbroken import Clock, Transport
from unbroken.registry import resolve

from ._sync.generator import ContentGenerator
from ._sync.handlers import DirectModeHandler
from ._sync.stream import ReplyStream
from .apis import api_of
from .messages import ChatMessage
from .prompt import History, Tools
from .reply import Reply


@final
class ChatCompletions:
    """A content generator for Chat Completions at any server. Use it with ``with``, or close it.

    `base_url` is the URL of the API, such as ``http://127.0.0.1:11434/v1``. `api_key` is sent as a bearer token;
    local servers need none. No model is sent unless a request has one. `plugins` and the arguments after it are those
    of `unbroken.Client`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        system: str | None = None,
        tools: Tools | None = None,
        plugins: Sequence[str | object] | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        insecure: bool | None = None,
    ) -> None:
        resolved = resolve(plugins)
        if insecure is None and resolved.insecure is not None:
            insecure = bool(resolved.insecure.value)
        handler = DirectModeHandler(
            api_key,
            None,
            api=api_of("chat-completions", base_url),
            plugins=resolved.plugins,
            base_url=base_url,
            transport=transport,
            clock=clock,
            insecure=insecure,
        )
        self.url = handler.url
        self._generator = ContentGenerator.with_handler(handler, system=system, tools=tools)

    def stream_request(
        self,
        message: str | ChatMessage | Mapping[str, Any],
        history: History = (),
        *,
        request_id: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> ReplyStream:
        """Prepare the answer to `message`, after `history`, as `ContentGenerator.stream_request` does."""
        return self._generator.stream_request(
            message, history, request_id=request_id, extra_body=extra_body, **parameters
        )

    def send_request(
        self,
        message: str | ChatMessage | Mapping[str, Any],
        history: History = (),
        *,
        request_id: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Reply:
        """Return the whole answer to `message`. Raises the Error of a call that failed."""
        return self._generator.send_request(
            message, history, request_id=request_id, extra_body=extra_body, **parameters
        )

    def close(self) -> None:
        """Close all connections."""
        self._generator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ChatCompletions {self.url}>"
