"""One scripted answer, as a value."""

from typing import Final, Literal, TypeAlias, final, get_args

from attrs import field, frozen
from attrs.validators import in_, optional

from ._fields import (
    as_bytes,
    as_events,
    as_headers,
    as_optional_bytes,
    as_pair,
    as_range,
    as_text,
    integer,
    positive,
    rising,
    seconds,
    shortened,
    status_code,
    whole_number,
)

Framing: TypeAlias = Literal["auto", "chunked", "content-length", "close", "both"]
Connection: TypeAlias = Literal["keep-alive", "close", "drop"]
Then: TypeAlias = Literal["continue", "drip", "end", "close", "truncate", "bad-chunk", "reset", "stall"]

AUTO: Final = "auto"


@final
@frozen(kw_only=True)
class Fault:
    """One answer of the server, from the status line to the end of the connection; by default a good one.

    An answer with a fault in it has a *turning point*: `before_head`, `after` so many events or `after_bytes`
    so many bytes (without any of them: after the last event). There `insert` is written, `times` times, and
    `then` says how it goes on. Everything can be combined. Durations are seconds.

    Raises ValueError, with the name of the field, for a value that makes no sense.
    """

    # What is said.
    status: int = field(default=200, validator=status_code)
    """200 answers the conversation; 400 and more an error object; any other status has no body."""
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), converter=as_headers, repr=shortened)
    """Pairs, in order, duplicates allowed; each name replaces the server's own header of that name."""
    content_type: str | None = field(default=AUTO, converter=as_text)
    """``auto`` is what the answer deserves, None sends no ``Content-Type``."""
    text: str | None = field(default=None, converter=as_text)
    """What the model says; None: made from the seed."""
    usage: tuple[int, int] | None = field(default=None, converter=as_pair)
    """Input and output tokens; None: estimated."""
    events: tuple[bytes, ...] | None = field(default=None, converter=as_events, repr=shortened)
    """The events of the stream, as bytes or as JSON objects with a ``type``, instead of the conversation."""
    body: bytes | None = field(default=None, converter=as_optional_bytes, repr=shortened)
    """The whole body instead of a stream or an error object."""
    error: str | None = field(default=None, converter=as_text)
    """The type of the error object; with a 200, an ``error`` event of this type at the turning point."""
    error_code: str | None = field(default=None, converter=as_text)
    """``error.details.error_code``; of Chat Completions ``error.code``."""
    message: str | None = field(default=None, converter=as_text)
    """``error.message``."""

    # How it is sent.
    latency: float = field(default=0.0, validator=seconds)
    """Before the first byte."""
    bandwidth: float | None = field(default=None, validator=optional(positive))
    """Bytes of body per second."""
    slice_size: tuple[int, int] = field(default=(0, 0), converter=as_range, validator=rising)
    """Bytes per write and chunk: a size, or a pair between which the seed chooses; 0: one write per event."""
    slice_delay: float = field(default=0.0, validator=seconds)
    """Before each write of the body."""
    framing: Framing = field(default=AUTO, validator=in_(get_args(Framing)))
    """``auto`` chunks a stream, measures a body; ``both`` sends Content-Length beside Transfer-Encoding."""
    encoding: Literal["gzip"] | None = field(default=None, validator=optional(in_(("gzip",))))
    """The ``Content-Encoding`` of the body."""
    connection: Connection = field(default="keep-alive", validator=in_(get_args(Connection)))
    """After the answer: kept, closed as announced, or dropped although keep-alive was promised."""

    # The turning point.
    before_head: bool = False
    """The turning point lies before the status line; `insert` is written as it is."""
    after: int | None = field(default=None, validator=optional(integer))
    """So many events; 0: right after the headers; a negative number counts from the end, as an index does."""
    after_bytes: int | None = field(default=None, validator=whole_number)
    """So many bytes of the body, before its encoding."""
    duplicate: bool = False
    """The event before the turning point is sent again."""
    insert: bytes = field(default=b"", converter=as_bytes, repr=shortened)
    """Bytes that do not belong there: garbage, a ping, a comment, filler for a huge body."""
    times: int | None = field(default=1, validator=whole_number)
    """How often `insert` is written; None: for ever."""
    interval: float = field(default=0.0, validator=seconds)
    """Between two insertions, or between two bytes of a ``drip``."""
    then: Then = field(default="continue", validator=in_(get_args(Then)))
    """``continue`` with the rest; ``drip`` the rest byte by byte; ``end`` politely; ``close`` without the end
    of the body (and of TLS); ``truncate`` inside a chunk; ``bad-chunk``: a chunk size that is no number;
    ``reset`` the connection; ``stall``: say nothing and keep the socket."""

    def __attrs_post_init__(self) -> None:
        if self.after is not None and self.after_bytes is not None:
            raise ValueError("'after' and 'after_bytes' are two turning points, choose one")
        if self.before_head and self.then == "end":
            raise ValueError("'then' cannot be 'end' where no head was sent, choose 'close'")
        if self.times is None and self.framing in {"content-length", "both"}:
            raise ValueError("'framing' needs a length, and 'times' without end has none")
