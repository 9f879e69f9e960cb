"""The types of the official SDK judge the bodies that we send. For tests to import.

Pydantic would read iterables lazily and pass over unknown fields, so this reads the types itself.
"""

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NotRequired, Required, Union

from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from typing_extensions import is_typeddict

TYPES: dict[str, Any] = {
    "chat-completions": CompletionCreateParamsStreaming,
    "responses": ResponseCreateParamsStreaming,
}


def faults(api: str, body: Any) -> list[str]:
    """Return what of `body` the type of the SDK does not have."""
    return list(_faults(body, TYPES[api], "body"))


def _faults(value: Any, kind: Any, at: str) -> Iterable[str]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Annotated, Required, NotRequired):
        return _faults(value, arguments[0], at)
    if origin in (Union, types.UnionType):
        return min((list(_faults(value, each, at)) for each in arguments), key=len)
    if origin is Literal:
        return [] if value in arguments else [f"{at}: {value!r} is none of {arguments}"]
    if is_typeddict(kind):
        return _table(value, kind, at)
    if origin is not None and origin is not dict:
        return _list(value, arguments[0], at)
    return _plain(value, origin or kind, at)


def _plain(value: Any, kind: Any, at: str) -> Iterable[str]:
    if kind not in (Any, object) and not isinstance(value, (int, float) if kind is float else kind or type(None)):
        yield f"{at}: {value!r} is no {kind}"


def _list(value: Any, kind: Any, at: str) -> Iterable[str]:
    if not isinstance(value, list):
        return [f"{at}: is no list"]
    return [fault for place, each in enumerate(value) for fault in _faults(each, kind, f"{at}[{place}]")]


def _table(value: Any, kind: Any, at: str) -> Iterable[str]:
    if not isinstance(value, Mapping):
        yield f"{at}: is no {kind.__name__}"
        return
    hints = typing.get_type_hints(kind)
    for name in kind.__required_keys__ - value.keys():
        yield f"{at}.{name}: is missing in {kind.__name__}"
    for name, each in value.items():
        if name in hints:
            yield from _faults(each, hints[name], f"{at}.{name}")
        else:
            yield f"{at}.{name}: is no field of {kind.__name__}"
