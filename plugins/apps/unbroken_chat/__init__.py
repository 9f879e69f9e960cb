"""Chat with Claude, directly or through your own backend: messages, handlers, content generators."""

from ._async.generator import AsyncContentGenerator, AsyncHandler
from ._async.handlers import AsyncDirectModeHandler, AsyncProxyModeHandler
from ._async.stream import AsyncReplyStream
from ._sync.generator import ContentGenerator, Handler
from ._sync.handlers import DirectModeHandler, ProxyModeHandler
from ._sync.stream import ReplyStream
from .completions import ChatCompletions, Completion, CompletionStream
from .config import AnthropicConfig, ProxyConfig
from .credentials import RefreshAuth
from .messages import ChatMessage
from .parts import ImagePart, OtherPart, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from .policies import CircuitBreaker, CircuitBreakerConfig, RetryConfig
from .reply import Reply
from .resume import Resume
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
    "CircuitBreaker",
    "CircuitBreakerConfig",
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
    "Resume",
    "RetryConfig",
    "TextPart",
    "ThinkingPart",
    "ToolCallPart",
    "ToolResultPart",
    "user_message",
]
