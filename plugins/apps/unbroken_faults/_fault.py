"""One scripted answer, as a value."""

from typing import Final, Literal, TypeAlias, final, get_args

from attrs import field, frozen
from attrs.validators import in_, optional

from ._fields import (
    ToolUse,
    as_bytes,
    as_events,
    as_headers,
    as_optional_bytes,
    as_pair,
    as_range,
    as_text,
    as_tools,
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
    """One answer of the server, from the status line to the end of the connection. By default it is a good one.

    A fault happens at the *turning point* of the answer: `before_head`, `after` a number of events, or `after_bytes`
    (with none of them: after the last event). There `insert` is written `times` times, and `then` decides how the
    answer continues. All fields can be combined. Durations are seconds.

    Raises ValueError, which names the field, for an invalid value.
    """

    # The content.
    status: int = field(default=200, validator=status_code)
    """200: the reply; 400 and above: an error object; any other status: no body."""
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), converter=as_headers, repr=shortened)
    """Pairs in order, duplicates allowed. Each name replaces the server's own header of that name."""
    content_type: str | None = field(default=AUTO, converter=as_text)
    """``auto``: the type of the body. None: no ``Content-Type``."""
    text: str | None = field(default=None, converter=as_text)
    """The text of the reply. None: generated from the seed."""
    thinking: str | None = field(default=None, converter=as_text)
    """What the model thinks before its text, in the form of the API. None: it does not."""
    tools: tuple[ToolUse, ...] = field(default=(), converter=as_tools)
    """The calls of tools behind the text: pairs of name and input, or objects with ``name`` and ``input``. An input is
    an object, or text that is sent as it is."""
    usage: tuple[int, int] | None = field(default=None, converter=as_pair)
    """Input and output tokens. None: estimated."""
    events: tuple[bytes, ...] | None = field(default=None, converter=as_events, repr=shortened)
    """The events of the stream instead of the reply, as bytes or as JSON objects with a ``type``."""
    body: bytes | None = field(default=None, converter=as_optional_bytes, repr=shortened)
    """The complete body, instead of a stream or an error object."""
    error: str | None = field(default=None, converter=as_text)
    """The type of the error object. With status 200: an ``error`` event of this type at the turning point."""
    error_code: str | None = field(default=None, converter=as_text)
    """``error.details.error_code``, in the APIs of OpenAI ``error.code``, in Gemini the reason in the details."""
    message: str | None = field(default=None, converter=as_text)
    """``error.message``."""

    # The transfer.
    latency: float = field(default=0.0, validator=seconds)
    """Seconds before the first byte."""
    bandwidth: float | None = field(default=None, validator=optional(positive))
    """Bytes of body per second."""
    slice_size: tuple[int, int] = field(default=(0, 0), converter=as_range, validator=rising)
    """Bytes per write and chunk: a size, or a pair between which the seed chooses. 0: one write per event."""
    slice_delay: float = field(default=0.0, validator=seconds)
    """Seconds before each write of the body."""
    framing: Framing = field(default=AUTO, validator=in_(get_args(Framing)))
    """``auto``: chunked for a stream, Content-Length for a body. ``both``: Content-Length and Transfer-Encoding."""
    encoding: Literal["gzip"] | None = field(default=None, validator=optional(in_(("gzip",))))
    """The ``Content-Encoding`` of the body."""
    connection: Connection = field(default="keep-alive", validator=in_(get_args(Connection)))
    """After the answer: kept open, closed as announced, or dropped although keep-alive was promised."""

    # The turning point.
    before_head: bool = False
    """Whether the turning point is before the status line. There `insert` is written raw, without framing."""
    after: int | None = field(default=None, validator=optional(integer))
    """Events before the turning point. 0: right after the headers. Negative: counted from the end, like an index."""
    after_bytes: int | None = field(default=None, validator=whole_number)
    """Bytes of the body before the turning point, counted before the body is encoded."""
    duplicate: bool = False
    """Whether the event before the turning point is sent twice."""
    insert: bytes = field(default=b"", converter=as_bytes, repr=shortened)
    """Bytes to insert at the turning point: garbage, a ping, a comment, filler for a huge body."""
    times: int | None = field(default=1, validator=whole_number)
    """How often `insert` is written. None: forever."""
    interval: float = field(default=0.0, validator=seconds)
    """Seconds between two insertions, or between two bytes of a ``drip``."""
    then: Then = field(default="continue", validator=in_(get_args(Then)))
    """``continue`` with the rest; ``drip`` the rest byte by byte; ``end`` the body properly; ``close`` without the end
    of the body (and without the close_notify of TLS); ``truncate`` inside a chunk; ``bad-chunk``: send a chunk size
    that is not a number; ``reset`` the connection; ``stall``: send nothing more and keep the connection open."""

    def __attrs_post_init__(self) -> None:
        if self.after is not None and self.after_bytes is not None:
            raise ValueError("'after' and 'after_bytes' are two turning points, choose one")
        if self.before_head and self.then == "end":
            raise ValueError("'then' cannot be 'end' where no head was sent, choose 'close'")
        if self.times is None and self.framing in {"content-length", "both"}:
            raise ValueError("'framing' needs a length, and 'times' without end has none")
