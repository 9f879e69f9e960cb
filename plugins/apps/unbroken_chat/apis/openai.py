"""What the two APIs of OpenAI have in common."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from unbroken.validators import refused

from ..parts import ImagePart, Part, TextPart, ToolCallPart, ToolResultPart

BASE_URL: Final = "https://api.openai.com/v1"
KEY: Final = "OPENAI_API_KEY"

_OF_MESSAGES: Final = frozenset(
    {
        "container_upload",
        "document",
        "image",
        "redacted_thinking",
        "search_result",
        "server_tool_use",
        "thinking",
        "tool_result",
        "tool_use",
    }
)
_VERSIONED: Final = re.compile(r"_20\d{6}\Z")
"""How the types of the server tools of the Messages API end."""
_TOOL: Final = frozenset({"cache_control", "description", "input_schema", "name", "strict", "type"})
_URL: Final = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)


def kind_of(block: Mapping[str, Any]) -> str:
    """Return the type of a block; empty if it has none."""
    kind = block.get("type")
    return kind if isinstance(kind, str) else ""


def is_foreign(block: Mapping[str, Any]) -> bool:
    """Return whether a content block has no type, or one that only the Messages API has."""
    kind = kind_of(block)
    return not kind or kind in _OF_MESSAGES or kind.endswith("_tool_result")


def image_url(image: ImagePart) -> str:
    """Return the URL of an image; of data a ``data:`` URL (RFC 2397)."""
    if image.data is None:
        return str(image.url)
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def image_at(url: Any) -> ImagePart:
    """Return the image at a URL, which may be a ``data:`` URL. Raises ValueError if it is no text or no base64."""
    found = _URL.fullmatch(url)
    if found is None:
        return ImagePart(url=url)
    return ImagePart(data=base64.b64decode(found[2], validate=True), media_type=found[1])


def arguments_of(call: ToolCallPart) -> str:
    """Return the arguments of a call as JSON text."""
    try:
        return msgspec.json.encode(dict(call.arguments)).decode()
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise refused("arguments", f"of the tool call {call.id!r} cannot be written as JSON: {error}") from None


def call_of(id: Any, name: Any, arguments: Any, extra: Mapping[str, Mapping[str, Any]]) -> ToolCallPart | None:
    """Return a tool call, None if its arguments are not a JSON object, as when the reply was cut off."""
    try:
        value: Any = msgspec.json.decode(arguments) if arguments.strip() else {}
    except (AttributeError, TypeError, ValueError, RecursionError):
        return None
    good = isinstance(value, dict) and all(isinstance(each, str) and each for each in (id, name))
    return ToolCallPart(id, name, cast("dict[str, Any]", value), extra=extra) if good else None


def error_text(text: str) -> str:
    """Return the text of a result that is an error; the APIs have no other place to say so."""
    return text if text.lower().startswith("error") else f"Error: {text}"


def result_parts(number: int, result: ToolResultPart) -> list[Part]:
    """Return the parts of a result; the first text of an error says that it is one."""
    content: list[Part] = [TextPart(result.content)] if isinstance(result.content, str) else list(result.content)
    if not result.is_error:
        return content
    at = next((place for place, part in enumerate(content) if isinstance(part, TextPart)), None)
    if at is None:
        return [TextPart("Error"), *content]
    content[at] = TextPart(error_text(cast("TextPart", content[at]).text))
    return content


def function_of(tool: Mapping[str, Any], number: int) -> dict[str, Any] | None:
    """Return the function that a tool in the format of the Messages API defines, None for any other format.

    Raises ConfigurationError for a tool that only the Messages API has.
    """
    kind = tool.get("type")
    if isinstance(kind, str) and _VERSIONED.search(kind):
        raise refused(f"tools[{number}]", f"is the server tool {kind!r} of the Messages API")
    if "input_schema" not in tool:
        return None
    for name in tool:
        if name not in _TOOL:
            raise refused(f"tools[{number}]", f"has {name!r}, which only the Messages API knows")
    function = {name: tool[name] for name in ("name", "description", "strict") if tool.get(name) is not None}
    return {**function, "parameters": tool["input_schema"]}


def table(value: Any) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, otherwise an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a JSON list, none if it is no list."""
    listed = cast("Sequence[Any]", value) if isinstance(value, list) else ()
    return [cast("dict[str, Any]", each) for each in listed if isinstance(each, dict)]


def text_in(value: Any) -> str | None:
    """Return `value` if it is text that is not empty, otherwise None."""
    return value if isinstance(value, str) and value else None
