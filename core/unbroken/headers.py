"""HTTP header fields: case-insensitive, ordered, validated, and without secrets in their repr."""

import functools
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import cast, final

from ._version import version
from .errors import ConfigurationError, Problem

# RFC 9110 §5.6.2 token; §5.5 field values, restricted to ASCII because implementations disagree about anything else.
# White space at either end is not part of a value. It is refused here, because the HTTP library that would refuse it
# quotes the value, which may be a key.
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?\Z")

# RFC 9110 §8.3.1: a token, a slash, a token.
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+")

# Shown in a repr. Every other value is hidden, because a list of all names with secrets cannot be complete.
SAFE_NAMES = frozenset(
    {
        "accept", "accept-encoding", "age", "anthropic-beta", "anthropic-version", "cache-control", "cf-ray",
        "connection", "content-encoding", "content-length", "content-type", "date", "idempotency-key", "request-id",
        "retry-after", "retry-after-ms", "server", "transfer-encoding", "user-agent", "x-request-id", "x-should-retry",
    }
)  # fmt: skip

HeaderTypes = Mapping[str, str] | Iterable[tuple[str, str]]


@final
class Headers(Mapping[str, str]):
    """Immutable header fields. Look-up ignores case and joins repeated fields with ``, `` (RFC 9110 §5.3)."""

    __slots__ = ("_checked", "_index", "items_raw")

    def __init__(self, fields: HeaderTypes = ()) -> None:
        self._checked = False
        self.items_raw: tuple[tuple[str, str], ...] = tuple(_pairs(fields))
        """The fields as given, with repeated fields kept apart."""
        index: dict[str, str] = {}
        repeated: dict[str, list[str]] = {}
        for name, value in self.items_raw:
            key = name.lower()
            if key in index:
                repeated.setdefault(key, [index[key]]).append(value)
            else:
                index[key] = value
        for key, values in repeated.items():
            index[key] = ", ".join(values)
        self._index = index

    @classmethod
    def validated(cls, fields: HeaderTypes, source: str = "headers") -> "Headers":
        """Return `fields` as headers that can be sent.

        Raises ConfigurationError that lists every invalid field, never its value.
        """
        if isinstance(fields, Headers) and fields._checked:
            return fields
        try:
            pairs = [(name, value) for name, value in _pairs(fields)]
        except (TypeError, ValueError):
            raise ConfigurationError.of(Problem(source, "must be a mapping or pairs of name and value")) from None
        problems = [problem for name, value in pairs if (problem := _problem(name, value, source)) is not None]
        if problems:
            raise ConfigurationError.of(*problems)
        headers = cls(pairs)
        headers._checked = True
        return headers

    def merged(self, other: HeaderTypes) -> "Headers":
        """Return these fields with those of `other` added; they replace fields of the same name."""
        new = other if isinstance(other, Headers) else Headers(other)
        if not new:
            return self
        kept = [pair for pair in self.items_raw if pair[0].lower() not in new._index]
        merged = Headers([*kept, *new.items_raw])
        merged._checked = self._checked and new._checked
        return merged

    @property
    def media_type(self) -> str:
        """The media type of the content, without parameters, in lower case; empty if there is no valid one.

        Of several fields, the last valid one counts, as in the Fetch standard ("extract a MIME type").
        """
        fields = self.get("content-type", "").lower().split(",")
        kinds = (field.partition(";")[0].strip() for field in reversed(fields))
        return next(filter(_MEDIA_TYPE.fullmatch, kinds), "")

    def __getitem__(self, name: str) -> str:
        return self._index[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._index == other._index

    def __hash__(self) -> int:
        return hash(frozenset(self._index.items()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}: {value if _is_safe(name) else '***'}" for name, value in self._index.items())
        return f"<Headers {shown}>"


@functools.cache
def user_agent() -> str:
    """Return the ``User-Agent`` of this library: ``unbroken/x.y.z python/a.b.c`` (RFC 9110 §10.1.5)."""
    python = ".".join(map(str, sys.version_info[:3]))
    return f"unbroken/{version()} python/{python}"


def _pairs(fields: HeaderTypes) -> Iterable[tuple[str, str]]:
    return cast("Mapping[str, str]", fields).items() if isinstance(fields, Mapping) else fields


def _is_safe(name: str) -> bool:
    return name in SAFE_NAMES or name.startswith(("anthropic-ratelimit-", "x-ratelimit-"))


def _problem(name: object, value: object, source: str) -> Problem | None:
    if not isinstance(name, str):
        return Problem(source, f"a header name must be a string, not {type(name).__name__}")
    if not TOKEN.match(name):
        # If a whole header line was given as the name, the part after the colon is the value and may be secret.
        shown = name.partition(":")[0]
        return Problem(source, f"{shown!r} is not a header name (RFC 9110 §5.6.2)")
    if not isinstance(value, str):
        return Problem(f"{source}.{name}", f"must be a string, not {type(value).__name__}")
    if not _VALUE.match(value):
        return Problem(
            f"{source}.{name}",
            "has characters that a header value may not have (only printable ASCII, no white space at its ends)",
        )
    return None
