"""The chunks of Chat Completions as typed objects (https://platform.openai.com/docs/api-reference/chat-streaming)."""

from typing import Any

from ._typed_base import Typed, TypedEvent


class FunctionDelta(Typed, frozen=True, kw_only=True):
    """A piece of a call of a function."""

    name: str | None = None
    arguments: str | None = None
    """A piece of the JSON of the arguments. It is no JSON by itself."""


class CustomToolDelta(Typed, frozen=True, kw_only=True):
    """A piece of a call of a tool whose input is text."""

    name: str | None = None
    input: str | None = None


class ToolCallDelta(Typed, frozen=True, kw_only=True):
    """A piece of a tool call."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionDelta | None = None
    custom: CustomToolDelta | None = None


class AudioDelta(Typed, frozen=True, kw_only=True):
    """A piece of spoken output."""

    id: str | None = None
    data: str | None = None
    """A piece of the sound in Base64."""
    expires_at: int | None = None
    """Unix seconds."""
    transcript: str | None = None


class ChoiceDelta(Typed, frozen=True, kw_only=True):
    """A piece of a message."""

    role: str | None = None
    content: str | list[Any] | None = None
    """Text; some servers send a list of parts."""
    refusal: str | None = None
    reasoning_content: str | None = None
    """Reasoning, as DeepSeek and many others send it."""
    reasoning: str | None = None
    """Reasoning, as OpenRouter, Groq and others send it."""
    tool_calls: tuple[ToolCallDelta, ...] | None = None
    function_call: FunctionDelta | None = None
    """A call as in the older API."""
    audio: AudioDelta | None = None
    annotations: tuple[dict[str, Any], ...] | None = None


class ChoiceLogprobs(Typed, frozen=True, kw_only=True):
    """The log probabilities of the tokens in a piece, each as the JSON object of the API."""

    content: tuple[dict[str, Any], ...] | None = None
    refusal: tuple[dict[str, Any], ...] | None = None


class ChunkChoice(Typed, frozen=True, kw_only=True):
    """A piece of one choice."""

    index: int | None = None
    delta: ChoiceDelta | None = None
    finish_reason: str | None = None
    """Why the model stopped, such as ``stop``, ``length`` or ``tool_calls``; None before it has."""
    logprobs: ChoiceLogprobs | None = None
    text: str | None = None
    """A piece of text in the older completions."""


class ChatCompletionChunk(TypedEvent, frozen=True, kw_only=True):
    """A chunk of a completion."""

    choices: tuple[ChunkChoice, ...]
    id: str | None = None
    object: str | None = None
    created: int | float | None = None
    """Unix seconds."""
    model: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    usage: dict[str, Any] | None = None
    """The counts as the API gives them."""
