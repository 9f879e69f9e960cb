"""Repair the text of JSON that a server did not encode correctly."""

import re
from typing import Final

_BOM: Final = b"\xef\xbb\xbf"
# Each escape of a JSON string; the group is half a surrogate pair without its other half. RFC 8259 §8.2: the behaviour
# of software that receives one is unpredictable.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def mended(raw: bytes) -> bytes:
    r"""Return `raw` as valid UTF-8: invalid bytes and lone surrogate escapes (``\ud83d``) become U+FFFD.

    A byte order mark is removed (RFC 8259 §8.1). A decoder that refuses `raw` may accept the result. Servers that cut
    their output at a byte, or between the two halves of an emoji, send such text.
    """
    text = raw.removeprefix(_BOM).decode("utf-8", "replace").encode()
    return _ESCAPE.sub(_whole, text) if b"\\u" in text else text


def _whole(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape[1] is None else b"\\ufffd"
