"""Find the one credential of a request in its headers."""

import re
from collections.abc import Sequence
from typing import Final

MAX_TOKEN: Final = 8 * 1024
"""The longest credential in bytes; longer ones are refused before they are decoded."""

Headers = Sequence[tuple[bytes, bytes]]

_TOKEN: Final = rb"([A-Za-z0-9._~+/-]+=*)"  # b64token of RFC 6750 §2.1
_FORMS: Final = {
    b"authorization": re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +" + _TOKEN),
    b"x-api-key": re.compile(_TOKEN),
}


def credential(headers: Headers) -> bytes | None:
    """Return the credential in ``Authorization: Bearer`` or ``x-api-key``.

    None if there is none, if there are two (of one header or of both), and if it is malformed or over `MAX_TOKEN`.
    """
    found = [(name.lower(), value) for name, value in headers if name.lower() in _FORMS]
    if len(found) != 1:
        return None
    name, value = found[0]
    matched = _FORMS[name].fullmatch(value)
    return matched[1] if matched and len(matched[1]) <= MAX_TOKEN else None
