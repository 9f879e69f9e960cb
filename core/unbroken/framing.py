"""How the events of a stream are written in bytes, as decoders and the engine see it.

A dialect names its framings; each has a module of its own: `unbroken.sse`, `unbroken.json_body` and so on.
"""

import sys
from abc import ABC, abstractmethod
from typing import Final

from attrs import field, frozen

from .errors import EventTooLargeError, StreamError
from .messages import Event, Typing
from .validators import number

MAX_EVENT_SIZE: Final = 16 * 1024 * 1024
"""The most bytes of one event, unless a client says otherwise: some events repeat the whole answer."""


@frozen(kw_only=True)
class Limits:
    """How much of one attempt may be kept in memory."""

    max_event_size: int = field(default=MAX_EVENT_SIZE, validator=number(at_least=1, whole=True))
    """The most bytes of one event."""
    held_events: int = 1024
    """The most events held back until the commit. One more event, or more than `held_bytes`, commits."""
    held_bytes: int = 256 * 1024


class Decoder(ABC):
    """Decodes the body of one attempt: bytes in, events out. It does no I/O.

    Any cut of the bytes gives the same events. What is kept is bounded, and the work is linear.
    """

    __slots__ = ()

    error: StreamError | None = None
    """The error that ended decoding for good; None while it goes on."""
    last_event_id: str = ""
    """The place from which to resume, in a framing that has one."""
    retry: int | None = None
    """The reconnection time that the server asked for, in milliseconds."""
    comments: int = 0
    """The number of keep-alives of the framing so far, which are not events."""
    has_bare_json: bool = False
    """Whether JSON has stood outside of any event since the last one (see `bare_json`)."""

    @property
    @abstractmethod
    def at_boundary(self) -> bool:
        """Whether no event is unfinished."""

    @abstractmethod
    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes.

        Raises StreamError, such as EventTooLargeError, for what cannot be decoded, and on every call after that. If
        other events were complete before it, they are returned and the next call raises.
        """

    @abstractmethod
    def close(self) -> list[Event]:
        """Return the events that the normal end of the body completes, and discard what is unfinished.

        Raises the `error`, if there is one.
        """

    def continue_from(self, last_event_id: str) -> None:
        """Take note that the stream goes on behind the event with that id."""
        return

    def unfinished(self) -> Event | None:
        """Return the event that is there but for its end, None if there is none."""
        return None

    def bare_json(self) -> bytes:
        """Return what stood outside of any event, from a line that begins like JSON on, at most 64 KiB."""
        return b""


class Framing(ABC):
    """One way to write events in bytes. It holds no state.

    The methods behind `encode` serve a relay, which hands on the bytes themselves.
    """

    @abstractmethod
    def decoder(self, max_event_size: int, *, request_id: str = "", dialect: Typing | None = None) -> Decoder:
        """Return the decoder of one attempt, which gives `request_id` and `dialect` to each event."""

    @abstractmethod
    def begins(self, start: bytes) -> bool | None:
        """Return whether a body that begins with `start` has this framing, None if more bytes are needed to tell.

        It is asked if the answer has no content type.
        """

    @abstractmethod
    def encode(self, event: Event) -> bytes:
        """Return the bytes of which a decoder makes an equal event."""

    def decoder_within(self) -> Decoder:
        """Return a decoder, without limits, for what stands behind the first bytes of a stream."""
        return self.decoder(sys.maxsize)

    @abstractmethod
    def unit_end(self, data: bytearray, start: int) -> int:
        """Return the end of the line or frame that begins at `start`; `start` itself if it is unfinished."""

    @abstractmethod
    def whole_end(self, data: bytearray, start: int, seen: int) -> int:
        """Return where the last whole event ends; `start`, where one begins, if none does.

        The bytes before `seen` have been looked at before.
        """

    def without_keepalives(self, data: bytearray, whole: int) -> tuple[bytearray, int]:
        """Return `data` with few of the keep-alives in it, and how much of that is whole (`whole` bytes of `data`)."""
        return data, whole


def too_large(max_event_size: int, request_id: str, *, what: str = "an event") -> EventTooLargeError:
    """Return the error for an event, or `what` stands for one, that is larger than a decoder's limit."""
    message = f"{what} is larger than {max_event_size} bytes"
    return EventTooLargeError(message, limit=max_event_size, request_id=request_id or None)
