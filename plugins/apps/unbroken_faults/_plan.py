"""One answer as a sequence of steps: bytes to write, seconds to wait, or the way to stop. No I/O, no clock.

There are three layers, each a generator over the one before: the body with its turning point, encoding, framing.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from itertools import chain, count
from random import Random
from typing import Final, Literal, TypeAlias

from attrs import evolve, frozen

from ._fault import AUTO, Fault, Framing

Stop: TypeAlias = Literal["finish", "close", "truncate", "bad-chunk", "reset", "stall"]
Step: TypeAlias = bytes | float | Stop

_BODILESS: Final = frozenset({204, 304})
"""The statuses of final answers that never have a body (RFC 9110 §6.4.1)."""
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}


@frozen(kw_only=True)
class Payload:
    """The content of an answer, before any fault is applied to its transfer."""

    headers: tuple[tuple[str, str], ...]
    content_type: str | None
    pieces: tuple[bytes, ...] | None
    """The body: the events of a stream, or one piece. None: no body."""
    insertion: bytes
    """The bytes that are written at the turning point."""
    streamed: bool
    begun: bytes = b"data: {"
    """What a chunk has in it that is never completed."""


def plan(fault: Fault, answer: Payload, random: Random) -> Iterator[Step]:
    """Yield the steps of one answer. Unless they end with a stop, the connection can serve another request."""
    framing = _framing(fault, answer)
    whole = chain([_head(fault, answer, framing)], _framed(fault, framing, answer, random))
    yield fault.latency
    yield from _turn(fault, answer.insertion, whole) if fault.before_head else whole
    if framing == "close" or fault.connection != "keep-alive":
        yield "finish"


def _framing(fault: Fault, answer: Payload) -> Framing | None:
    if answer.pieces is None:
        return None
    if fault.framing != AUTO:
        return fault.framing
    measured = not answer.streamed and (fault.before_head or fault.times is not None)
    return "content-length" if measured else "chunked"


# The head.


def _head(fault: Fault, answer: Payload, framing: Framing | None) -> bytes:
    own = [*answer.headers, *_content(fault, answer), *_length(fault, answer, framing)]
    if fault.connection == "close":
        own.append(("Connection", "close"))
    replaced = {name.lower() for name, _ in fault.headers}
    lines = [(name.encode(), value.encode()) for name, value in own if name.lower().encode() not in replaced]
    first = b"HTTP/1.1 %d %b" % (fault.status, _PHRASES.get(fault.status, "Unknown").encode())
    return b"\r\n".join([first, *(b"%b: %b" % line for line in (*lines, *fault.headers)), b"", b""])


def _content(fault: Fault, answer: Payload) -> Iterator[tuple[str, str]]:
    kind = answer.content_type if fault.content_type == AUTO else fault.content_type
    if kind is not None:
        yield "Content-Type", kind
    if fault.encoding is not None:
        yield "Content-Encoding", fault.encoding


def _length(fault: Fault, answer: Payload, framing: Framing | None) -> Iterator[tuple[str, str]]:
    if answer.pieces is None and fault.status not in _BODILESS:
        yield "Content-Length", "0"  # without it the body would last until the connection is closed
    if framing in {"content-length", "both"}:
        # With ``end`` the length is that of the shorter body; every other stop breaks the promise of the full length.
        promised = fault if fault.then == "end" else evolve(fault, then="continue")
        steps = _encoded(promised, answer)
        yield "Content-Length", str(sum(len(step) for step in steps if isinstance(step, bytes)))
    if framing in {"chunked", "both"}:
        yield "Transfer-Encoding", "chunked"


# The body.


def _body(fault: Fault, answer: Payload) -> Iterator[Step]:
    pieces = answer.pieces or ()
    if fault.before_head:
        yield from pieces
        return
    before, rest = _split(fault, pieces)
    yield from before
    if fault.duplicate:
        yield from before[-1:]
    yield from _turn(fault, answer.insertion, rest)


def _split(fault: Fault, pieces: tuple[bytes, ...]) -> tuple[list[bytes], list[bytes]]:
    if fault.after_bytes is None:
        return list(pieces[: fault.after]), list(pieces[fault.after :] if fault.after is not None else ())
    before: list[bytes] = []
    rest: list[bytes] = []
    room = fault.after_bytes
    for piece in pieces:
        before += filter(None, [piece[:room]])
        rest += filter(None, [piece[room:]])
        room = max(0, room - len(piece))
    return before, rest


def pieces_before(fault: Fault, pieces: tuple[bytes, ...]) -> list[bytes]:
    """Return the pieces of a body that are sent before the turning point."""
    return [] if fault.before_head else _split(fault, pieces)[0]


def _turn(fault: Fault, insertion: bytes, rest: Iterable[Step]) -> Iterator[Step]:
    """Yield the insertions at the turning point and what follows them."""
    if insertion:
        for number in count() if fault.times is None else range(fault.times):
            if number:
                yield fault.interval
            yield insertion
    yield from _THEN[fault.then](fault, rest)


def _drip(fault: Fault, rest: Iterable[Step]) -> Iterator[Step]:
    for step in rest:
        if isinstance(step, bytes):
            for index in range(len(step)):
                yield fault.interval
                yield step[index : index + 1]
        else:
            yield step


def _stop(how: Stop) -> Callable[[Fault, Iterable[Step]], Iterable[Step]]:
    return lambda fault, rest: (how,)


_THEN: Final[dict[str, Callable[[Fault, Iterable[Step]], Iterable[Step]]]] = {
    "continue": lambda fault, rest: rest,
    "drip": _drip,
    "end": lambda fault, rest: (),
    "close": _stop("close"),
    "truncate": _stop("truncate"),
    "bad-chunk": _stop("bad-chunk"),
    "reset": _stop("reset"),
    "stall": _stop("stall"),
}


def _encoded(fault: Fault, answer: Payload) -> Iterator[Step]:
    if fault.encoding is None:
        yield from _body(fault, answer)
        return
    # wbits=31 is gzip, with no time in its header. Each piece is flushed, so that events arrive one by one.
    squeezer = zlib.compressobj(wbits=31)
    for step in _body(fault, answer):
        yield squeezer.compress(step) + squeezer.flush(zlib.Z_SYNC_FLUSH) if isinstance(step, bytes) else step
    yield squeezer.flush()


def _framed(fault: Fault, framing: Framing | None, answer: Payload, random: Random) -> Iterator[Step]:
    chunked = framing in {"chunked", "both"}
    last_words = {"truncate": b"400\r\n" + answer.begun, "bad-chunk": b"zz\r\n"}
    for step in _encoded(fault, answer):
        if isinstance(step, bytes):
            for part in _slices(fault, step, random):
                yield fault.slice_delay + (len(part) / fault.bandwidth if fault.bandwidth else 0.0)
                yield b"%x\r\n%b\r\n" % (len(part), part) if chunked else part
        else:
            if chunked and isinstance(step, str):
                yield last_words.get(step, b"")
            yield step
    if chunked:
        yield b"0\r\n\r\n"


def _slices(fault: Fault, data: bytes, random: Random) -> Iterator[bytes]:
    smallest, largest = fault.slice_size
    if not largest and fault.bandwidth:
        smallest = largest = max(1, int(fault.bandwidth / 20))  # twenty writes per second, for a steady flow
    start = 0
    while start < len(data):
        size = random.randint(max(1, smallest), largest) if largest else len(data)
        yield data[start : start + size]
        start += size
