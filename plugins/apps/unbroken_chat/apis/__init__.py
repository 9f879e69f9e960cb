"""The APIs that a content generator knows, by name."""

from typing import Final, Literal
from urllib.parse import urlsplit

from unbroken.validators import nearest, refused, shown

from ..api import Api
from .chat_completions import ChatCompletionsApi
from .gemini import GeminiApi
from .messages import MessagesApi
from .ollama import OllamaApi
from .responses import ResponsesApi

ApiName = Literal["messages", "chat-completions", "responses", "gemini", "ollama"]

_APIS: Final[dict[str, type[Api]]] = {
    api.name: api for api in (MessagesApi, ChatCompletionsApi, ResponsesApi, GeminiApi, OllamaApi)
}


def api_of(api: "Api | str", base_url: str | None = None) -> Api:
    """Return the API that `api` names, or `api` itself. Raises ConfigurationError for any other name.

    A server other than OpenAI's is sent ``max_tokens``, which all compatible servers know.
    """
    if isinstance(api, Api):
        return api
    kind = _APIS.get(api) if isinstance(api, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if kind is None:
        near = nearest(api, _APIS) if isinstance(api, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]
        raise refused("api", f"must be an Api or one of {', '.join(_APIS)}, not {shown(api)}{near}")
    if kind is ChatCompletionsApi and base_url is not None and urlsplit(base_url).hostname not in _OWN:
        return ChatCompletionsApi(limit_field="max_tokens")
    return kind()


_OWN: Final = frozenset({urlsplit(ChatCompletionsApi.base_url).hostname})

__all__ = ["ApiName", "ChatCompletionsApi", "GeminiApi", "MessagesApi", "OllamaApi", "ResponsesApi", "api_of"]
