"""The chunks of models that have neither the events of Anthropic nor those of Converse.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html. Each maker has a form of its own. To all of
them Bedrock adds ``amazon-bedrock-invocationMetrics`` in the last chunk.
"""

from collections.abc import Iterator
from typing import Any, Final

from unbroken.error_bodies import as_list, as_object

_METRICS: Final = "amazon-bedrock-invocationMetrics"
# The text of Llama, of Titan, and of Claude before the Messages API.
_TEXTS: Final = ("generation", "outputText", "completion")
# Why a model stopped: Llama and Mistral, Titan, Cohere and the form of OpenAI.
_REASONS: Final = ("stop_reason", "completionReason", "finish_reason")
_HEAD: Final = frozenset({"role"})
_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})


def metrics_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the counts that Bedrock adds to the last chunk, empty in any other."""
    return as_object(document.get(_METRICS))


def reason_of(document: dict[str, Any]) -> str | None:
    """Return why the model stopped, None if it goes on."""
    places = [document, as_object(document.get("delta")), *_parts(document)]
    reasons = (place.get(name) for place in places for name in _REASONS)
    return next((reason for reason in reasons if isinstance(reason, str) and reason), None)


def says_anything(document: dict[str, Any]) -> bool:
    """Return whether a chunk has anything that may be part of an answer, so all but choices of a role alone."""
    choices = [as_object(choice) for choice in as_list(document.get("choices") or [])]
    if not choices:
        return any(value not in _EMPTY for value in document.values())
    deltas = [as_object(choice.get("delta") or choice) for choice in choices]
    said = [value for delta in deltas for name, value in delta.items() if name not in _HEAD]
    return reason_of(document) is not None or any(value not in _EMPTY for value in said)


def text_of(document: dict[str, Any]) -> str | None:
    """Return the text of a chunk in any of the known forms, None without any."""
    return next((text for text in _texts(document) if isinstance(text, str) and text), None)


def _texts(document: dict[str, Any]) -> Iterator[Any]:
    yield from map(document.get, _TEXTS)
    if document.get("event_type", "text-generation") == "text-generation":  # Cohere Command
        yield document.get("text")
    message = as_object(as_object(document.get("delta")).get("message"))
    yield as_object(message.get("content")).get("text")  # Cohere Command A
    for part in _parts(document):
        yield part.get("text")  # Mistral, and completions in the form of OpenAI
        for name in ("delta", "message"):
            yield as_object(part.get(name)).get("content")


def _parts(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the first output of Mistral, and the first choice in the form of OpenAI."""
    lists = (as_list(document.get(name) or []) for name in ("outputs", "choices"))
    return [as_object(each[0]) for each in lists if each]
