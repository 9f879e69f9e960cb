"""A client for Chat Completions, which many servers speak (https://platform.openai.com/docs/api-reference/chat)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, cast, final

from attrs import frozen

from unbroken import Client, Clock, Event, Stream, StreamError, Transport, Usage
from unbroken.error_bodies import as_object
from unbroken.validators import refused
from unbroken_openai import OpenAI

from .history import in_history
from .messages import ChatMessage
from .parts import TextPart


@final
@frozen(kw_only=True)
class Completion:
    """A complete answer of Chat Completions."""

    message: ChatMessage
    """The answer as it goes into the history."""
    usage: Usage | None
    """Tokens, cumulative; None when the server sent no counts."""
    stop_reason: str | None
    """The ``finish_reason``: ``stop``, ``length``, ``tool_calls`` …; None when the server sent none."""

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.message.text


@final
class CompletionStream:
    """An answer of Chat Completions while it arrives. Use it with ``with``, then read it once.

    `reply` continues where the iterator of `text` stopped. Both raise the Error of a call that failed.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._pieces: list[str] = []
        self._stop_reason: str | None = None

    @property
    def request_id(self) -> str:
        """The id of the call, the same for all its attempts."""
        return self._stream.request_id

    @property
    def usage(self) -> Usage | None:
        """The tokens counted so far."""
        return self._stream.usage

    def __enter__(self) -> Self:
        """Send the request. Raises the Error of a call that failed before its first content."""
        self._stream.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.__exit__(*exc)

    def text(self) -> Iterator[str]:
        """Iterate over the pieces of text."""
        pieces = map(self._take, iter(self._stream))
        return (piece for piece in pieces if piece is not None)

    def _take(self, event: Event) -> str | None:
        self._stop_reason = _finish_reason(event) or self._stop_reason
        piece = self._stream.text_of(event)
        if piece is not None:
            self._pieces.append(piece)
        return piece

    def reply(self) -> Completion:
        """Read to the end and return the whole answer."""
        while (event := next(self._stream, None)) is not None:
            self._take(event)
        return self._completion()

    def whole(self) -> Completion:
        """Send the request and return the whole answer. Not to be used within ``with``.

        Nothing is shown before the end, so an answer that is cut, stalls or is broken is asked for again like a request
        that failed. Raises the Error of a call that failed.
        """
        self._stream.check(self._assemble)
        with self._stream:
            for _ in self._stream.batches():
                pass
        return self._completion()

    def _assemble(self, events: Sequence[Event]) -> None:
        self._pieces, self._stop_reason = [], None
        for event in events:
            self._take(event)

    def _completion(self) -> Completion:
        message = ChatMessage.assistant("".join(self._pieces))
        return Completion(message=message, usage=self.usage, stop_reason=self._stop_reason)


@final
class ChatCompletions:
    """Answers messages over Chat Completions. Use it with ``with``, or close it.

    `base_url` is the URL of the API, such as ``http://127.0.0.1:11434/v1``. `api_key` is sent as a bearer token;
    local servers need none. `plugins` and the arguments after it are those of `unbroken.Client`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        plugins: Sequence[str | object] | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        insecure: bool | None = None,
    ) -> None:
        self.url = f"{base_url.rstrip('/')}/chat/completions"
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._client = Client(
            plugins, dialect=OpenAI(), headers=headers, transport=transport, clock=clock, insecure=insecure
        )

    def stream_request(
        self,
        message: str | ChatMessage | Mapping[str, Any],
        history: Iterable[ChatMessage | Completion | Mapping[str, Any]] = (),
        *,
        request_id: str | None = None,
        **parameters: Any,
    ) -> CompletionStream:
        """Prepare the answer to `message`, after `history`: a stream to use with ``with``.

        `parameters` are further fields of the request, sent as they are (``model``, ``max_tokens`` …). Raises
        ConfigurationError for messages that contain anything but text, and for ``stream=False``.
        """
        if parameters.get("stream", True) is not True:
            raise refused("stream", "must be true, as the answer is read from a stream")
        said = [each.message if isinstance(each, Completion) else in_history(each) for each in history]
        asked = ChatMessage.user(message) if isinstance(message, str) else in_history(message, "message")
        body = {
            "messages": [_as_text(number, each) for number, each in enumerate((*said, asked), 1)],
            "stream": True,
            "stream_options": {"include_usage": True},
            **parameters,
        }
        return CompletionStream(self._client.stream("POST", self.url, json=body, request_id=request_id))

    def send_request(
        self,
        message: str | ChatMessage | Mapping[str, Any],
        history: Iterable[ChatMessage | Completion | Mapping[str, Any]] = (),
        *,
        request_id: str | None = None,
        **parameters: Any,
    ) -> Completion:
        """Return the whole answer to `message`. Raises the Error of a call that failed."""
        return self.stream_request(message, history, request_id=request_id, **parameters).whole()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ChatCompletions {self.url}>"


def _as_text(number: int, message: ChatMessage) -> dict[str, str]:
    for part in message.parts:
        if not isinstance(part, TextPart):
            kind = part.to_block().get("type", "block")
            raise refused(f"message {number}", f"has a {kind}, and this server is sent text only")
    return {"role": message.role, "content": message.text}


def _finish_reason(event: Event) -> str | None:
    """Return the last finish reason in a chunk, None for chunks without one and for the ``[DONE]`` at the end."""
    try:
        choices: Any = as_object(event.json()).get("choices")
    except StreamError:
        return None
    listed = cast("Sequence[Any]", choices) if isinstance(choices, list) else ()
    reasons = [as_object(choice).get("finish_reason") for choice in listed]
    return next((reason for reason in reversed(reasons) if isinstance(reason, str)), None)
