"""Reads a stream with the engine's own parts, but without a call around them, so that many cuts can be tried."""

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from typing import Any

from unbroken import Dialect, Request, Response
from unbroken._engine.commit_buffer import CommitBuffer
from unbroken._engine.stream_body import StreamBody
from unbroken.errors import Error
from unbroken.framing import Limits
from unbroken.headers import Headers

CUTS = 100_000 if os.environ.get("UNBROKEN_LONG") else 1_000
"""How many cuts a test tries."""


def read(
    dialect: Dialect, url: str, kind: str, pieces: Iterable[bytes], json: Any = None
) -> tuple[Error | None, str, list[Any]]:
    """Return how a body of these pieces fails if it ends normally, the text of its events, and these."""
    response = Response(status_code=200, headers=Headers.validated({"content-type": kind}))
    request = Request.build("POST", url, json=json or {})
    call: Any = SimpleNamespace(id="req_1", current=request, request=request, response=response, dialect=dialect)
    call.__dict__.update(bytes=0, usage=None, phase="streaming", first_content_at=None, last_event_id="", now=float)
    hooks: Any = SimpleNamespace(on_usage=lambda usage: None)
    reader = dialect.reader(call)
    buffer = CommitBuffer(dialect, reader)
    body = StreamBody(call, hooks, reader, buffer, None, dialect.decoder(Limits(), call))
    events: list[Any] = []
    failure = None
    try:
        for piece in pieces:
            events += body.take(piece, count_keepalives=False)[0]
            if buffer.complete:
                break
            body.raise_reported()
        else:
            events += body.end()
    except Error as error:
        failure = error
    return failure, "".join(reader.text(event) or "" for event in events), events


def cut_anywhere(dialect: Dialect, bodies: Sequence[bytes], seed: int, **request: Any) -> None:
    """Cut `bodies` at random places, in random pieces: no success without the whole text, none lost or doubled.

    What ends too early fails with an error of the library, and its text is a beginning of the whole one.
    """
    chance, read_it = Random(seed), reading(dialect, **request)
    whole = [read_it([body]) for body in bodies]
    assert all(failure is None for failure, _, _ in whole)
    for _ in range(CUTS):
        number = chance.randrange(len(bodies))
        at = chance.randint(0, len(bodies[number]))
        failure, text, _ = read_it(in_pieces(bodies[number][:at], chance))
        _, said, _ = whole[number]
        assert said.startswith(text), bodies[number][:at]
        assert failure is not None or text == said, bodies[number][:at]
        assert failure is None or at < len(bodies[number]), bodies[number][:at]


def reading(dialect: Dialect, **request: Any) -> Callable[[Iterable[bytes]], tuple[Error | None, str, list[Any]]]:
    """Return `read` for one request."""
    url, kind = request.pop("url", "https://api.example.org/v1"), request.pop("kind", "text/event-stream")
    return lambda pieces: read(dialect, url, kind, pieces, **request)


def in_pieces(body: bytes, chance: Random) -> list[bytes]:
    """Return `body` in up to four pieces."""
    places = sorted(chance.randint(0, len(body)) for _ in range(3))
    return [piece for a, b in pairwise([0, *places, len(body)]) if (piece := body[a:b])]
