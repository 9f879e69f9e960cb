"""Make values safe for a log: without credentials, on one line, of bounded length."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from unbroken.secrets import MASK, is_secret_name, redact, redact_telling

MAX_LENGTH: Final = 2048
"""The most characters of a value that are logged."""
_LOOKED_AT = 2 * MAX_LENGTH

# C0, DEL, C1, the line ends of Unicode, characters that change the direction of text, and lone surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def one_line(text: str) -> str:
    """Return `text` with each control character as its Python escape, so that it stays on one line."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def clean(value: Any) -> Any:
    """Return `value` safe for a log: every string in it redacted, cut to `MAX_LENGTH` and on one line."""
    if isinstance(value, str):
        line = one_line(redact(_between_words(value)))
        return line if len(line) <= MAX_LENGTH else line[:MAX_LENGTH] + "…"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {clean(name): clean_named(str(name), inner) for name, inner in pairs}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [clean(inner) for inner in cast("Iterable[object]", value)]
    return value


def clean_named(name: str, value: Any) -> Any:
    """Return `value` safe for a log; text is masked if `name` is a name for credentials."""
    return MASK if isinstance(value, str) and is_secret_name(name) else clean(value)


def clean_id(text: str) -> str:
    """Return an id safe for a log. Ids look random but are needed, so only keys of a known format are masked."""
    return one_line(redact_telling(_between_words(text)))


def _between_words(text: str) -> str:
    """Shorten very long text before it is searched; not inside a word, because half a secret is not recognised."""
    if len(text) <= _LOOKED_AT:
        return text
    start = text[:_LOOKED_AT]
    *_, last = start.rsplit(maxsplit=1) if not start[-1].isspace() else [""]
    return start.removesuffix(last) + "…"
