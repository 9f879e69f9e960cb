"""What a line of a stream says (https://docs.ollama.com/api/streaming, and ``api/types.go`` of the server)."""

from typing import Any, Final
from urllib.parse import urlsplit

from unbroken.error_bodies import as_object, load_json_object
from unbroken.messages import Request, Usage

ANSWERS: Final = ("/api/chat", "/api/generate")
PROGRESS: Final = ("/api/pull", "/api/create", "/api/push")
"""The paths of jobs, which stream how far they are and end with the status `SUCCESS`."""
SUCCESS: Final = "success"

# A larger count is taken as an error of the server.
_MOST_TOKENS: Final = 10**15
# What each line of an answer has, also one that says nothing.
_HEAD: Final = frozenset({"model", "remote_model", "remote_host", "created_at", "done", "message"})
_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})


def path_of(request: Request) -> str:
    """Return the path of a request, without a slash at its end."""
    return urlsplit(request.url).path.rstrip("/")


def streams(request: Request) -> bool | None:
    """Return whether the answer to `request` is a stream, None if its path is not one where that is optional.

    It is one unless ``"stream": false`` says otherwise.
    """
    if not path_of(request).endswith((*ANSWERS, *PROGRESS)):
        return None
    body = load_json_object(request.content) if b'"stream"' in request.content else None
    return body is None or body.get("stream") is not False


def has_tools(request: Request) -> bool:
    """Return whether `request` offers the model any tools."""
    body = load_json_object(request.content) if b'"tools"' in request.content else None
    return bool((body or {}).get("tools"))


def text_of(document: dict[str, Any]) -> str | None:
    """Return the text of the answer in a line: ``message.content`` of a chat, else ``response``. None without any."""
    said = (as_object(document.get("message")).get("content"), document.get("response"))
    return next((text for text in said if isinstance(text, str) and text), None)


def says_anything(document: dict[str, Any]) -> bool:
    """Return whether a line has more than its head: text, thinking, calls of tools, an image, steps, anything new."""
    message = document.get("message")
    said = {name: value for name, value in as_object(message).items() if name != "role"}
    is_odd = message is not None and not isinstance(message, dict)
    others = (value for name, value in document.items() if name not in _HEAD)
    return is_odd or any(value not in _EMPTY for value in (*said.values(), *others))


def usage_of(document: dict[str, Any]) -> Usage | None:
    """Return the token counts of a last line or of a plain answer, None without any."""
    usage = Usage(
        input_tokens=_count(document.get("prompt_eval_count")),
        output_tokens=(output := _count(document.get("eval_count"))),
        final=output is not None,
    )
    return None if usage == Usage() else usage


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
