"""The values of settings, as text and as JSON has them."""

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, cast

import attrs

from unbroken.secrets import redact

from ._fields import HIDDEN, alias, is_secret, shown


def in_both_forms(attribute: "attrs.Attribute[Any]", name: str, value: Any) -> tuple[str, Any]:
    """Return the value of a setting as text and as JSON has it. Secrets are hidden."""
    if callable(attribute.repr):
        text = attribute.repr(value)
        return text, text
    return redact(shown(name, value, secret=not attribute.repr)), plain(name, value, secret=not attribute.repr)


def plain(name: str, value: Any, *, secret: bool = False) -> Any:
    """Return a value as JSON has it; what JSON has no form for is text. Secrets are hidden."""
    if secret or (is_secret(name) and isinstance(value, str | bytes)):
        return HIDDEN
    if isinstance(value, Enum):
        return plain(name, value.value)
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else shown(name, value)
    if isinstance(value, bool | int | None):
        return value
    if isinstance(value, Mapping):
        items = cast("Mapping[object, Any]", value).items()
        return {str(key): plain(f"{name}.{key}", each) for key, each in items}
    if isinstance(value, set | frozenset | list | tuple):
        each = [plain(name, item) for item in cast("Any", value)]
        return sorted(each, key=repr) if isinstance(value, set | frozenset) else each
    if attrs.has(cast("Any", type(value))):
        fields = attrs.fields(cast("Any", type(value)))
        return {alias(each): in_both_forms(each, alias(each), getattr(value, each.name))[1] for each in fields}
    return shown(name, value)
