"""The head of a response (RFC 9112 §4 and §5)."""

import re
from typing import Final

from attrs import field, frozen

MAX_FIELDS: Final = 8192
"""Fields of one head; far more than the engine accepts, whose error is the better one."""

# RFC 9112 §4, §5; RFC 9110 §5.5 and §5.6.2. The only control character in a value is the tab.
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t -~\x80-\xff]*))?")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)")
_FOLD = re.compile(r"\r\n[ \t]+")


class Malformed(Exception):
    """The bytes are no HTTP/1.1 response, or one that cannot be trusted."""


@frozen
class Head:
    """The status line and the fields, as they came."""

    status: int
    version: str
    reason: str
    fields: list[tuple[str, str]] = field(repr=False)


def read_head(text: str) -> Head:
    """Parse a head without its empty line. Raises Malformed."""
    start, _, text = text.partition("\r\n")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)  # RFC 9112 §5.2
    lines = text.split("\r\n") if text else []
    if len(lines) > MAX_FIELDS:
        raise Malformed(f"the response has more than {MAX_FIELDS} header fields")
    status = _STATUS_LINE.fullmatch(start)
    if status is None:
        raise Malformed("the response has a malformed status line")
    fields: list[tuple[str, str]] = []
    match = _FIELD.fullmatch
    for line in lines:
        found = match(line)
        if found is None:
            raise Malformed("the response has a malformed header field")
        name, value = found.groups()
        fields.append((name, value.strip(" \t")))
    minor, code, reason = status.groups("")
    return Head(int(code), f"HTTP/1.{minor}", reason, fields)


def framing(fields: list[tuple[str, str]]) -> tuple[set[str], list[str], set[str]]:
    """Return the lengths, the transfer codings and the connection options of a head, in lower case."""
    lengths: set[str] = set()
    codings: list[str] = []
    options: set[str] = set()
    for name, value in fields:
        key = name.lower()
        if key == "content-length":
            lengths.update(_listed(value))
        elif key == "transfer-encoding":
            codings.extend(_listed(value))
        elif key == "connection":
            options.update(_listed(value))
    return lengths, codings, options


def _listed(value: str) -> list[str]:
    return [part.strip(" \t").lower() for part in value.split(",")]
