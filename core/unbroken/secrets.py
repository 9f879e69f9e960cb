"""Recognise credentials and remove them from text. All of Unbroken does it here.

`SHAPES` holds the patterns as data: a part that stays, and the part after it that is replaced by ``***``. All patterns
are tried at each position and the leftmost match wins, so no pattern can replace half of a secret and leave the other
half unrecognisable. This is repeated until nothing changes. In doubt, the patterns hide too much. None of them can
backtrack beyond one run of characters, and a part that may occur many times in one run looks only a limited distance
ahead: a text of n characters takes time in proportion to n.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, Literal, ParamSpec, TypeVar

from attrs import frozen

P = ParamSpec("P")
T = TypeVar("T")

MASK: Final = "***"

_WORD = r"[A-Za-z0-9_+/=.~-]"
_RUN = r"[A-Za-z0-9_+/-]"
# What separates a name from its value: `: `, `=`, `": "`, `\": \"`, and `', b'` in a list of pairs.
_GLUE = r"(?:\\*[\"']?\s*[:=]\s*|[\"']\s*,\s*)"
_QUOTE = r"b?\\*[\"']"
_HEADER = r"(?i:(?:proxy-)?authorization|(?:set-)?cookie)"
_NAME = r"(?i:api[-_ ]?key|access[-_ ]?key|token|secret|passw(?:or)?d|signature|credentials?)"
_SCHEME = r"(?i:bearer|basic|digest|token)"

# Names of headers and of other values that are always hidden, whatever the value looks like.
CREDENTIAL_NAME: Final = re.compile(
    r"(?i)auth(?!ors?\b)|cookie|(?<!idempotency-)(?<![a-z])key(?![a-z])|apikey|token|secret|passw|signature|credential"
)


@frozen
class Shape:
    """One form in which secrets are written."""

    what: str
    keep: str
    """The pattern of the part that stays, directly before the secret; it has no capturing groups."""
    secret: str
    """The pattern of the part that is replaced."""
    by: Literal["form", "place", "chance"] = "form"
    """How it is recognised: by its own form, by the text before it, or only because it looks random, as ids also do."""


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
    """Return whether a header, a setting or another value of this name is always hidden."""
    return CREDENTIAL_NAME.search(name) is not None


def redact(text: str) -> str:
    """Return `text` with everything that looks like a credential, and the query of every URL, replaced by ``***``."""
    return _redacted(text, _ALL)


def redact_telling(text: str) -> str:
    """Return `text` without secrets recognised by form or place. Text that only looks random, such as an id, stays."""
    return _redacted(text, _TELLING)


def redact_keys(text: str) -> str:
    """Return `text` without keys and tokens of a known form. Everything else stays."""
    return _redacted(text, _KEYS)


def _redacted(text: str, shapes: re.Pattern[str]) -> str:
    while (shorter := shapes.sub(_masked, text)) != text:
        text = shorter
    return text


def _masked(match: re.Match[str]) -> str:
    return match[match.lastindex or 0] + MASK


def clear_locals(error: BaseException) -> None:
    """Empty the local variables of Unbroken's own functions in the tracebacks of `error` and of what it came from.

    Error trackers send the local variables of every frame, and those of Unbroken hold headers and bodies. Functions
    that are still running are left alone, and so are generators and coroutines: clearing one that waits would end it.
    """
    for each in _chain(error):
        traceback = each.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            ours = frame.f_globals.get("__name__", "").startswith("unbroken")
            if ours and not frame.f_code.co_flags & _MAY_WAIT:
                with suppress(RuntimeError):
                    frame.clear()
            traceback = traceback.tb_next


def drop_tracebacks(error: BaseException) -> None:
    """Drop the tracebacks of an error of sockets or of an HTTP library, and of what it came from.

    Its frames hold the bytes that were sent.
    """
    for each in _chain(error):
        each.__traceback__ = None


def clearing_locals(function: Callable[P, T]) -> Callable[P, T]:
    """Return `function` so that no error that it raises shows its arguments as local variables."""

    @functools.wraps(function)
    def cleared(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            del args, kwargs
            clear_locals(error)
            raise

    return cleared


_MAY_WAIT: Final = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and what it came from, each once. Not recursive: a chain may be longer than the stack."""
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        each = left.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            left += (each.__context__, each.__cause__)
