"""Reads a stream as the engine does, but without a call around it, so that many cuts can be tried."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from unbroken import Dialect, Request, Response
from unbroken.dialect import ERROR, TERMINAL
from unbroken.errors import StreamError
from unbroken.framing import Limits
from unbroken.headers import Headers


def read(dialect: Dialect, url: str, kind: str, pieces: Iterable[bytes]) -> tuple[bool, str]:
    """Return whether a body of these pieces, which ends normally, is a success, and the text of its events."""
    response = Response(status_code=200, headers=Headers.validated({"content-type": kind}))
    request = Request.build("POST", url, json={})
    call: Any = SimpleNamespace(id="req_1", current=request, response=response)
    reader, decoder = dialect.reader(call), dialect.decoder(Limits(), call)
    text = ""
    for piece in (*pieces, None):
        try:
            events = decoder.close() if piece is None else decoder.feed(piece)
        except StreamError:
            return False, text
        for event in events:
            found = reader.classify(event)
            if found & ERROR:
                return False, text
            text += reader.text(event) or ""
            if found & TERMINAL:
                return True, text
    return reader.complete_at_end(), text
