"""Takes credentials out of text, and control characters out of lines.

`SHAPES` are the patterns, as data: a part that stays, and the part after it that becomes ``***``. All are
tried at once and the leftmost match wins, so that no pattern can cut a secret in two and leave half of it
unrecognised; this is repeated until nothing changes. They err on the side of hiding. None can backtrack
beyond one run of characters.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from attrs import frozen

MASK: Final = "***"
MAX_LENGTH: Final = 2048
"""Characters of a value that are logged."""
_LOOKED_AT = 2 * MAX_LENGTH

_WORD = r"[A-Za-z0-9_+/=.~-]"
_RUN = r"[A-Za-z0-9_+/-]"
# Between a name and its value: `: `, `=`, `": "`, `\": \"`, and `', b'` of a list of pairs.
_GLUE = r"(?:\\*[\"']?\s*[:=]\s*|[\"']\s*,\s*)"
_QUOTE = r"b?\\*[\"']"
_HEADER = r"(?i:(?:proxy-)?authorization|(?:set-)?cookie)"
_NAME = r"(?i:api[-_ ]?key|access[-_ ]?key|token|secret|passw(?:or)?d|signature|credentials?)"
_SCHEME = r"(?i:bearer|basic|digest|token)"

# Headers, and other named values, that are hidden whatever they look like.
CREDENTIAL_NAME: Final = re.compile(
    r"(?i)auth(?!ors?\b)|cookie|(?<!idempotency-)(?<![a-z])key(?![a-z])|apikey|token|secret|passw|signature|credential"
)


@frozen
class Shape:
    """One way in which a secret is written."""

    what: str
    keep: str
    """Pattern of what stays, directly before the secret; without capturing groups."""
    secret: str
    """Pattern of what is hidden."""
    generic: bool = False
    """Whether it knows only that the text looks random. Not applied to the ids of calls, which do too."""


SHAPES: Final = (
    Shape(
        "private key",
        "",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    ),
    Shape("hexadecimal", "", r"[0-9a-fA-F]{32,}", generic=True),
    Shape(
        "base64 and other random text of mixed case with digits",
        "",
        rf"(?<!{_RUN})(?={_RUN}*[a-z])(?={_RUN}*[A-Z])(?={_RUN}*[0-9]){_RUN}{{32,}}=*",
        generic=True,
    ),
    Shape("JSON web token", "", rf"eyJ{_WORD}{{8,}}"),
    Shape("key with a prefix", "", rf"(?<![A-Za-z0-9])[spr]k[-_]{_WORD}{{6,}}"),
    Shape("key of an LLM API", "", rf"sk-(?:ant|proj|or|svcacct)-{_WORD}{{6,}}"),
    Shape("key with a prefix within a word", "", rf"[spr]k[-_](?={_WORD}*[0-9]){_WORD}{{20,}}"),
    Shape("key of Amazon", "", r"(?:AKIA|ASIA)[A-Z0-9]{12,}"),
    Shape("key of Google", "", rf"(?:AIza|ya29\.){_WORD}{{16,}}"),
    Shape("key of GitHub, GitLab", "", rf"(?:gh[oprsu]_|github_pat_|glpat-){_WORD}{{16,}}"),
    Shape("key of Slack, Groq, xAI, Hugging Face", "", rf"(?:xox[a-z]-|gsk_|xai-|hf_){_WORD}{{16,}}"),
    Shape("credentials in a URL", r"://", r"[^\s/?#\"'<>]+(?=@)"),
    Shape("query of a URL", r"\?", r"[\w%&=.*+~-][^\s\"'<>]*"),
    Shape("quoted header", rf"{_HEADER}{_GLUE}{_QUOTE}", r"[^\"'\r\n]+"),
    Shape("header", rf"{_HEADER}{_GLUE}", r"[^\s\"'][^\r\n]*"),
    Shape("quoted value", rf"{_NAME}{_GLUE}{_QUOTE}", r"[^\"'\r\n]+"),
    Shape("value", rf"{_NAME}{_GLUE}", rf"(?:{_SCHEME}\s+)?[^\s\"',;&]+"),
    Shape("bearer token", r"(?i:bearer)\s+[\"']?", r"[^\s\"',;]+"),
    Shape("basic credentials", r"(?i:basic)\s+", r"(?=[A-Za-z0-9+/_-]*[A-Z0-9=])[A-Za-z0-9+/=_-]{4,}"),
)


def _compiled(*shapes: Shape) -> re.Pattern[str]:
    return re.compile("|".join(f"({shape.keep}){shape.secret}" for shape in shapes))


_ALL = _compiled(*SHAPES)
_KNOWN = _compiled(*(shape for shape in SHAPES if not shape.generic))

# C0, DEL, C1, the line ends of Unicode, the marks that change the direction of text, and lone surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_LAST_WORD = re.compile(r"\S*\Z")


def redact(text: str) -> str:
    """Return `text` with all that looks like a credential, and every query of a URL, replaced by ``***``."""
    return _redacted(text, _ALL)


def one_line(text: str) -> str:
    """Return `text` with each control character as its Python escape, so that it cannot leave its line."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def clean(value: Any) -> Any:
    """Return `value` fit for a log: every string in it redacted, cut to `MAX_LENGTH` and on one line."""
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
    """Return `value` fit for a log, hidden when `name` is one that carries credentials and it is text."""
    return MASK if isinstance(value, str) and CREDENTIAL_NAME.search(name) else clean(value)


def clean_id(text: str) -> str:
    """Return an id fit for a log. Ids look random and are wanted: only keys of a known shape are hidden."""
    return one_line(_redacted(_between_words(text), _KNOWN))


def _redacted(text: str, shapes: re.Pattern[str]) -> str:
    while (shorter := shapes.sub(_masked, text)) != text:
        text = shorter
    return text


def _masked(match: re.Match[str]) -> str:
    return match[match.lastindex or 0] + MASK


def _between_words(text: str) -> str:
    """Cut text that is far too long before it is looked at: not within a secret, half of one has no shape."""
    return text if len(text) <= _LOOKED_AT else _LAST_WORD.sub("", text[:_LOOKED_AT]) + "…"
