"""The attributes of a request: provider, server, operation, model and settings."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec
from attrs import frozen

from unbroken import Call, Key, Usage
from unbroken.error_bodies import one_line

from . import _semconv as semconv

_PROVIDERS: Final = {"anthropic": "anthropic", "openai": "openai"}


class Body(msgspec.Struct):
    """The fields of a JSON body that become attributes. The others, above all the messages, are not decoded."""

    model: Any = None
    stream: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    seed: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    n: Any = None
    stop: Any = None
    stop_sequences: Any = None

    @property
    def model_name(self) -> str | None:
        """The name of the model, on one line; None if it is not text."""
        return one_line(self.model) or None if isinstance(self.model, str) else None


_BODY: Key[Body] = Key("otel.body")
_decode: Callable[[bytes], Body] = msgspec.json.Decoder(Body).decode


def body_of(call: Call) -> Body:
    """Return the body of the original request, decoded once per call; an empty `Body` if it cannot be decoded."""
    body = call.get(_BODY)
    if body is None:
        try:
            body = _decode(call.request.content)
        except (ValueError, RecursionError):
            body = Body()
        call.set(_BODY, body)
    return body


@frozen
class Identity:
    """The attributes of a call that do not depend on its body. They are shared by all calls of the same kind."""

    operation: str | None
    """The operation; None if it is not a model call."""
    attributes: dict[str, Any]

    def with_model(self, model: str | None) -> dict[str, Any]:
        """Return the attributes as a new dict, with the requested model if there is one."""
        return self.attributes | {semconv.REQUEST_MODEL: model} if model else self.attributes.copy()


Identify = Callable[[str, str, str], Identity]
"""A function of the URL, the origin and the name of the dialect."""


def identifier(names: semconv.Names, provider_name: str | None, operation_name: str | None) -> Identify:
    """Return the function that identifies calls under these settings. It caches its results."""

    @lru_cache(maxsize=256)
    def identify(url: str, origin: str, dialect: str) -> Identity:
        provider = provider_name or _PROVIDERS.get(dialect)
        operation = operation_name or (None if provider is None else _operation(url))
        attributes: dict[str, Any] = {}
        if operation is not None:
            attributes[semconv.OPERATION] = operation
            if provider is not None:
                attributes[names.provider] = provider
        return Identity(operation, attributes | server(origin))

    return identify


def _operation(url: str) -> str:
    path = urlsplit(url).path.rstrip("/")
    legacy = path.endswith(("/completions", "/complete")) and not path.endswith("/chat/completions")
    return "text_completion" if legacy else "chat"


@lru_cache(maxsize=256)
def server(origin: str) -> dict[str, Any]:
    """Return the attributes of ``scheme://host:port``. The dict is cached and shared: do not change it."""
    parts = urlsplit(origin)
    return {semconv.SERVER_ADDRESS: parts.hostname or "", semconv.SERVER_PORT: parts.port or 0}


def settings(body: Body, names: semconv.Names) -> dict[str, Any]:
    """Return the attributes of the settings in `body`. A value of the wrong type is left out."""
    found: dict[str, Any] = {}
    for field, attribute in semconv.NUMBERS.items():
        value = getattr(body, field)
        if type(value) is float or _is_whole(value):
            found[attribute] = value
    for other in (body.max_completion_tokens, body.max_output_tokens):
        if _is_whole(other):
            found.setdefault(semconv.NUMBERS["max_tokens"], other)
    if _is_whole(body.n) and body.n != 1:
        found[semconv.CHOICE_COUNT] = body.n
    if names.stream and isinstance(body.stream, bool):
        found[names.stream] = body.stream
    if stop := _texts(body.stop_sequences) or _texts(body.stop):
        found[semconv.STOP_SEQUENCES] = stop
    return found


def _is_whole(value: Any) -> bool:
    # Exporters send 64-bit integers, and one larger number makes them lose the whole batch.
    return type(value) is int and -(2**63) <= value < 2**63


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for text in cast("list[object]", value) if isinstance(text, str)] if isinstance(value, list) else []


def input_tokens(usage: Usage) -> int | None:
    """Return all input tokens, which is what the conventions count; a `Usage` has cached tokens separately."""
    if usage.input_tokens is None:
        return None
    return usage.input_tokens + (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)


def output_tokens(usage: Usage) -> int | None:
    """Return the output tokens; None while the server has given only a placeholder."""
    return usage.output_tokens if usage.final else None
