"""``dialect="auto"``: which dialect the answer to a request will be in, by its host and path."""

import functools
from typing import Final

from unbroken import Dialect
from unbroken.registry import resolve_dialect

_ANTHROPIC_HOST: Final = "api.anthropic.com"
_OPENAI_HOST: Final = "api.openai.com"
_OPENAI_ENDS: Final = ("/chat/completions", "/completions", "/responses")
_GEMINI_HOSTS: Final = ("generativelanguage.googleapis.com", "aiplatform.googleapis.com")
_GEMINI_METHODS: Final = frozenset(
    {
        "batchEmbedContents",
        "batchGenerateContent",
        "computeTokens",
        "countTokens",
        "embedContent",
        "generateContent",
        "streamGenerateContent",
    }
)
_OLLAMA_ENDS: Final = ("/api/chat", "/api/generate", "/api/pull", "/api/create", "/api/push")
_BEDROCK_ENDS: Final = ("/converse", "/converse-stream", "/invoke", "/invoke-with-response-stream")


def dialect_name(host: str, path: str) -> str:
    """Return the name of the dialect; ``sse``, which is plain SSE and plain JSON, where no other is known.

    Azure and compatible servers have the paths of OpenAI's API below their own, and Vertex AI has the models of
    Anthropic below ``/publishers/anthropic/``.
    """
    path = path.rstrip("/")
    if "/v1/messages" in path or "/publishers/anthropic/" in path or host == _ANTHROPIC_HOST:
        return "anthropic"
    if path.endswith(_OPENAI_ENDS) or "/responses/" in path or host == _OPENAI_HOST:
        return "openai"
    if _is_gemini(host, path):
        return "gemini"
    if path.endswith(_OLLAMA_ENDS):
        return "ollama"
    if "/model/" in path and path.endswith(_BEDROCK_ENDS):
        return "bedrock"
    return "mcp" if path.endswith("/mcp") else "sse"


def _is_gemini(host: str, path: str) -> bool:
    """Return whether this is the Gemini API or Gemini on Vertex AI: its methods anywhere, its resources at its hosts.

    The Interactions API and models of others on Vertex AI have streams of other kinds.
    """
    method = path.rpartition("/")[2].partition(":")[2]
    if method in _GEMINI_METHODS:
        return True
    return host.endswith(_GEMINI_HOSTS) and "/interactions" not in path and not method.startswith("stream")


@functools.cache
def dialect_called(name: str) -> Dialect:
    """Return the dialect of that name."""
    return resolve_dialect(name)
