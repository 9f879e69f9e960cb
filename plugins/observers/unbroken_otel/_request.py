"""What a request says of itself: who is asked, for what, with which settings."""

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
    """The fields of a JSON body that are of interest; the others, the messages first of all, are skipped unread."""

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
        """The name of the model, in one line; None when it is no text."""
        return one_line(self.model) or None if isinstance(self.model, str) else None


_BODY: Key[Body] = Key("otel.body")
_decode: Callable[[bytes], Body] = msgspec.json.Decoder(Body).decode


def body_of(call: Call) -> Body:
    """Return the body of the request as asked, decoded once per call; one without fields when it cannot be read."""
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
    """What is known of a call before anything of its body is read, and the same for all calls of its kind."""

    operation: str | None
    """What it does; None when it is no call of a model."""
    attributes: dict[str, Any]

    def with_model(self, model: str | None) -> dict[str, Any]:
        """Return the attributes with the model that is asked."""
        return self.attributes | {semconv.REQUEST_MODEL: model} if model else self.attributes.copy()


Identify = Callable[[str, str, str], Identity]
"""Takes the URL, the origin and the name of the dialect."""


def identifier(names: semconv.Names, provider_name: str | None, operation_name: str | None) -> Identify:
    """Make the function that identifies the calls of a plugin with these settings."""

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
    """Return the attributes of ``scheme://host:port``. They are shared: do not write into them."""
    parts = urlsplit(origin)
    return {semconv.SERVER_ADDRESS: parts.hostname or "", semconv.SERVER_PORT: parts.port or 0}


def settings(body: Body, names: semconv.Names) -> dict[str, Any]:
    """Return the attributes of what the request asks for; what is not of the right kind is left out."""
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
    # An exporter sends 64 bits, and loses the whole batch with a number that needs more.
    return type(value) is int and -(2**63) <= value < 2**63


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for text in cast("list[object]", value) if isinstance(text, str)] if isinstance(value, list) else []


def input_tokens(usage: Usage) -> int | None:
    """Return all tokens of the input, as the conventions count them; a `Usage` has the cached ones apart."""
    if usage.input_tokens is None:
        return None
    return usage.input_tokens + (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)


def output_tokens(usage: Usage) -> int | None:
    """Return the tokens of the output; None while the server has given a placeholder only."""
    return usage.output_tokens if usage.final else None
