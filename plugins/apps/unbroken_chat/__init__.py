"""Chat with a model, directly or through your own backend: messages, handlers, content generators."""

from ._async.generator import AsyncContentGenerator, AsyncHandler
from ._async.handlers import AsyncDirectModeHandler, AsyncProxyModeHandler
from ._async.stream import AsyncReplyStream
from ._sync.generator import ContentGenerator, Handler
from ._sync.handlers import DirectModeHandler, ProxyModeHandler
from ._sync.stream import ReplyStream
from .api import Api, Conversation, Reading, ReplyContent
from .apis import ApiName, ChatCompletionsApi, GeminiApi, MessagesApi, OllamaApi, ResponsesApi
from .completions import ChatCompletions
from .config import AnthropicConfig, ModelConfig, ProxyConfig
from .credentials import RefreshAuth
from .messages import ChatMessage
from .parts import ImagePart, OtherPart, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from .policies import CircuitBreaker, CircuitBreakerConfig, RetryConfig
from .reply import Reply
from .resume import Resume
from .wording import user_message

__all__ = [
    "AnthropicConfig",
    "Api",
    "ApiName",
    "AsyncContentGenerator",
    "AsyncDirectModeHandler",
    "AsyncHandler",
    "AsyncProxyModeHandler",
    "AsyncReplyStream",
    "ChatCompletions",
    "ChatCompletionsApi",
    "ChatMessage",
    "CircuitBreaker",
    "CircuitBreakerConfig",
    "ContentGenerator",
    "Conversation",
    "DirectModeHandler",
    "GeminiApi",
    "Handler",
    "ImagePart",
    "MessagesApi",
    "ModelConfig",
    "OllamaApi",
    "OtherPart",
    "Part",
    "ProxyConfig",
    "ProxyModeHandler",
    "Reading",
    "RefreshAuth",
    "Reply",
    "ReplyContent",
    "ReplyStream",
    "ResponsesApi",
    "Resume",
    "RetryConfig",
    "TextPart",
    "ThinkingPart",
    "ToolCallPart",
    "ToolResultPart",
    "user_message",
]
