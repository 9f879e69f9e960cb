"""Chatting with Claude, directly or through a backend of one's own: messages, handlers, the content generator."""

from .async_generator import AsyncContentGenerator, AsyncHandler
from .completions import ChatCompletions, Completion, CompletionStream
from .config import AnthropicConfig, ProxyConfig
from .credentials import RefreshAuth
from .generator import ContentGenerator, Handler
from .handlers import AsyncDirectModeHandler, AsyncProxyModeHandler, DirectModeHandler, ProxyModeHandler
from .messages import ChatMessage
from .parts import ImagePart, OtherPart, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from .reply import AsyncReplyStream, Reply, ReplyStream
from .wording import user_message

__all__ = [
    "AnthropicConfig",
    "AsyncContentGenerator",
    "AsyncDirectModeHandler",
    "AsyncHandler",
    "AsyncProxyModeHandler",
    "AsyncReplyStream",
    "ChatCompletions",
    "ChatMessage",
    "Completion",
    "CompletionStream",
    "ContentGenerator",
    "DirectModeHandler",
    "Handler",
    "ImagePart",
    "OtherPart",
    "Part",
    "ProxyConfig",
    "ProxyModeHandler",
    "RefreshAuth",
    "Reply",
    "ReplyStream",
    "TextPart",
    "ThinkingPart",
    "ToolCallPart",
    "ToolResultPart",
    "user_message",
]
