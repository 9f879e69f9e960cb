"""The formats of streams, each with what the faults of the catalogue write in it.

The catalogue speaks in server-sent events of the Messages API; `Format.fit` says the same in another format.
"""

from typing import Any, Final

from attrs import evolve, frozen

from . import _frames as frames
from ._catalogue import FILLER
from ._fault import Fault
from ._fields import sse

WATER: Final = b"data: water\n"
_REPEATED: Final = 4_096


@frozen(kw_only=True)
class Format:
    """How the events of a stream are written. Each field but the first is what the fault of that name writes."""

    content_type: str
    ping: bytes
    comment: bytes
    garbage: bytes
    """An event with invalid JSON."""
    endless_line: bytes
    """The beginning of a line that does not end; any text may follow."""
    endless_data: bytes
    """The beginning of an event that does not end."""
    more_data: bytes
    """What may follow that beginning, any number of times."""
    endless_comment: bytes
    """The beginning of a comment that does not end; spaces may follow."""
    begun: bytes
    """Seven bytes that begin an event."""

    def fit(self, fault: Fault) -> Fault:
        """Return `fault` with what the catalogue inserts, and its events, in this format. Other bytes stay as they are.

        Own errors are translated where they are made, by the API.
        """
        if self == SSE or not (fault.insert or fault.events):
            return fault
        words = dict(zip(_spoken(SSE), _spoken(self), strict=True))
        events = fault.events and tuple(words.get(each, each) for each in fault.events)
        return evolve(fault, insert=words.get(fault.insert, fault.insert), events=events)


def _spoken(format: Format) -> tuple[bytes, ...]:
    return (
        format.ping,
        format.comment,
        format.garbage,
        format.endless_line,
        format.endless_data,
        format.more_data * _REPEATED,
        format.endless_comment,
    )


SSE: Final = Format(
    content_type="text/event-stream; charset=utf-8",
    ping=sse("ping", {"type": "ping"}),
    comment=b": keep-alive\n\n",
    garbage=b'event: content_block_delta\ndata: {"type": "content_block_delta", \n\n',
    endless_line=b"data: ",
    endless_data=WATER,
    more_data=WATER,
    endless_comment=b": ",
    begun=b"data: {",
)
"""Server-sent events, as the Messages API sends them."""

FLOOD: Final = SSE.more_data * _REPEATED
SPACES: Final = b" " * FILLER


def plain_sse(garbage: bytes) -> Format:
    """Return the format of an API without pings, whose event with invalid JSON is `garbage`."""
    return evolve(SSE, ping=SSE.comment, garbage=garbage)


def ndjson(garbage: bytes) -> Format:
    """Return the format of lines of JSON. Blank lines stand for pings and comments, spaces for an endless comment."""
    return _json("application/x-ndjson", opening=b"", blank=b"\n", garbage=garbage, begun=b'{"model')


def json_array(garbage: bytes) -> Format:
    """Return the format of one array, each of whose elements is an event, with white space for pings and comments."""
    return _json("application/json; charset=UTF-8", opening=b"[", blank=b"\r\n", garbage=garbage, begun=b'{"candi')


def _json(content_type: str, *, opening: bytes, blank: bytes, garbage: bytes, begun: bytes) -> Format:
    return Format(
        content_type=content_type,
        ping=blank,
        comment=blank,
        garbage=garbage,
        endless_line=opening + b'{"water":"',
        endless_data=opening + b"{",
        more_data=b'"water":"",',
        endless_comment=b" ",
        begun=begun,
    )


def binary(type: str, garbage: bytes | dict[str, Any]) -> Format:
    """Return the format of binary frames, whose events with content have the type `type`.

    Frames of types that no client knows stand for pings and comments.
    """
    return Format(
        content_type="application/vnd.amazon.eventstream",
        ping=frames.event("ping", {}),
        comment=frames.event("keep-alive", b""),
        garbage=frames.event(type, garbage),
        endless_line=frames.endless_headers(),
        endless_data=frames.endless_payload(type),
        more_data=b'{"water":',
        endless_comment=frames.endless_payload("keep-alive"),
        begun=frames.event(type, {})[:7],
    )
