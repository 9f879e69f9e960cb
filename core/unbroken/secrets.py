"""What a credential looks like, and text without any: the one place where secrets are recognised.

`SHAPES` are the patterns, as data: a part that stays, and the part after it that becomes ``***``. All are tried at once
and the leftmost match wins, so that no pattern can cut a secret in two and leave half of it unrecognised; this is
repeated until nothing changes. They err on the side of hiding. None can backtrack beyond one run of characters,
and what may stand many times in one run looks only so far ahead: a text of n characters takes time in proportion to n.
"""

import re
from typing import Final, Literal

from attrs import frozen

MASK: Final = "***"

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
    by: Literal["form", "place", "chance"] = "form"
    """What gives it away: its own form, what stands before it, or only that it looks random, as ids do too."""


SHAPES: Final = (
    Shape(
        "private key",
        "",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    ),
    Shape("hexadecimal", "", r"[0-9a-fA-F]{32,}", by="chance"),
    Shape(
        "base64 and other random text of mixed case with digits",
        "",
        rf"(?<!{_RUN})(?={_RUN}*[a-z])(?={_RUN}*[A-Z])(?={_RUN}*[0-9]){_RUN}{{32,}}=*",
        by="chance",
    ),
    Shape("JSON web token", "", rf"eyJ{_WORD}{{8,}}"),
    Shape("key with a prefix", "", rf"(?<![A-Za-z0-9])[spr]k[-_]{_WORD}{{6,}}"),
    Shape("key of an LLM API", "", rf"sk-(?:ant|proj|or|svcacct)-{_WORD}{{6,}}"),
    Shape("key with a prefix within a word", "", rf"[spr]k[-_](?={_WORD}{{0,99}}[0-9]){_WORD}{{20,}}"),
    Shape("key of Amazon", "", r"(?:AKIA|ASIA)[A-Z0-9]{12,}"),
    Shape("key of Google", "", rf"(?:AIza|ya29\.){_WORD}{{16,}}"),
    Shape("key of GitHub, GitLab", "", rf"(?:gh[oprsu]_|github_pat_|glpat-){_WORD}{{16,}}"),
    Shape("key of Slack, Groq, xAI, Hugging Face", "", rf"(?:xox[a-z]-|gsk_|xai-|hf_){_WORD}{{16,}}"),
    Shape("credentials in a URL", r"://", r"[^\s/?#\"'<>]+(?=@)", by="place"),
    Shape("query of a URL", r"\?", r"[\w%&=.*+~-][^\s\"'<>]*", by="place"),
    Shape("quoted header", rf"{_HEADER}{_GLUE}{_QUOTE}", r"[^\"'\r\n]+", by="place"),
    Shape("header", rf"{_HEADER}{_GLUE}", r"[^\s\"'][^\r\n]*", by="place"),
    Shape("quoted value", rf"{_NAME}{_GLUE}{_QUOTE}", r"[^\"'\r\n]+", by="place"),
    Shape("value", rf"{_NAME}{_GLUE}", rf"(?:{_SCHEME}\s+)?[^\s\"',;&]+", by="place"),
    Shape("bearer token", r"(?i:bearer)\s+[\"']?", r"[^\s\"',;]+"),
    Shape("basic credentials", r"(?i:basic)\s+", r"(?=[A-Za-z0-9+/_-]*[A-Z0-9=])[A-Za-z0-9+/=_-]{4,}", by="place"),
)


def _compiled(*ways: str) -> re.Pattern[str]:
    return re.compile("|".join(f"({shape.keep}){shape.secret}" for shape in SHAPES if shape.by in ways))


_ALL = _compiled("form", "place", "chance")
_TELLING = _compiled("form", "place")
_KEYS = _compiled("form")


def is_secret_name(name: str) -> bool:
    """Whether a header, a setting or another value of that name is hidden, whatever it looks like."""
    return CREDENTIAL_NAME.search(name) is not None


def redact(text: str) -> str:
    """Return `text` with all that looks like a credential, and every query of a URL, replaced by ``***``."""
    return _redacted(text, _ALL)


def redact_telling(text: str) -> str:
    """Return `text` without what its form or its place gives away. What only looks random, as an id does, stays."""
    return _redacted(text, _TELLING)


def redact_keys(text: str) -> str:
    """Return `text` without keys and tokens of a known form. Everything else stays as it is."""
    return _redacted(text, _KEYS)


def _redacted(text: str, shapes: re.Pattern[str]) -> str:
    while (shorter := shapes.sub(_masked, text)) != text:
        text = shorter
    return text


def _masked(match: re.Match[str]) -> str:
    return match[match.lastindex or 0] + MASK
