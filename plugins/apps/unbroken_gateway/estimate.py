"""Estimates the tokens of a request from its characters. Nothing is tokenised (rule R18)."""

import math
from collections.abc import Mapping
from typing import Any, Final, cast

_MOST_VALUES: Final = 20_000
"""The values that are looked at, which takes about 10 ms; a body with more is estimated from its size."""
_BINARY_TOKENS: Final = 1_600
"""For an image or a file, whatever its size: base64 is not text, and the upstream counts at the end."""
_SCALAR: Final = 4
"""Characters of a number or a word such as ``true``."""


def input_tokens(body: Mapping[str, Any], characters_per_token: float, size: int = 0) -> int:
    """Return about how many tokens `body` is. `size` is its length in bytes as received."""
    characters, binaries, whole = _counted(body)
    if not whole:
        characters = max(characters, size)
    return math.ceil(characters / characters_per_token) + binaries * _BINARY_TOKENS


def _counted(body: Mapping[str, Any]) -> tuple[int, int, bool]:
    """Return the characters of text, the pieces of base64, and whether all values were looked at."""
    characters = binaries = values = 0
    left: list[Any] = [body]
    while left:
        each = left.pop()
        values += 1
        if isinstance(each, str):
            if each.startswith("data:") and ";base64," in each[:256]:
                binaries += 1
            else:
                characters += len(each)
        elif isinstance(each, dict):
            table = cast("dict[str, Any]", each)
            characters += sum(map(len, table))
            if table.get("type") == "base64" and isinstance(table.get("data"), str):
                binaries += 1
                table = {key: value for key, value in table.items() if key != "data"}
            left += table.values()
        elif isinstance(each, list):
            left += each
        else:
            characters += _SCALAR
        if values + len(left) > _MOST_VALUES:
            return characters, binaries, False
    return characters, binaries, True
