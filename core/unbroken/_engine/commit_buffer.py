"""Sorts the events of one attempt into those to deliver now and those held back until the commit. Does no I/O."""

from collections.abc import Sequence
from typing import Final, Literal

from attrs import define, field

from ..dialect import CONTENT, ERROR, HIDDEN, KEEPALIVE, STRUCTURE, TERMINAL, USAGE, Dialect, Kind, Reader
from ..errors import StreamError
from ..framing import Limits
from ..messages import Event, Usage

Commit = Literal["content", "first-event", "complete"]
"""When the events of a call begin to be delivered."""

HELD_ANSWER: Final = 32 * 1024 * 1024
"""The most bytes of an answer that is held until it is complete."""

# What the object of an event takes beside its data, so that millions of empty events are bounded too.
_EVENT_BYTES: Final = 80

_TERMINAL, _ERROR, _USAGE, _HIDDEN, _KEEPALIVE = map(int, (TERMINAL, ERROR, USAGE, HIDDEN, KEEPALIVE))
_CONTENT = int(CONTENT | TERMINAL)
_PROGRESS = int(CONTENT | STRUCTURE | TERMINAL)


@define(eq=False)
class CommitBuffer:
    """Holds back the events of one attempt until its first content or, with ``complete``, until the terminal event.

    ========  ======================================  ==========================================  ========
    state     the next event                          is                                          state
    ========  ======================================  ==========================================  ========
    holding   any other kind, there is room           held back                                   holding
    holding   any other kind, no room                 ready to deliver, after the held events     released
              the same with ``complete``              not delivered: StreamError                  holding
    holding   content or terminal, or with            ready to deliver, after the held events     released
              ``complete`` terminal only
    released  any except an error                     ready to deliver                            released
    either    error                                   not delivered; it is `failed_by`            the same
    ========  ======================================  ==========================================  ========

    A terminal event also sets `complete`; a hidden one is never ready. No event after a terminal event or an error is
    looked at.
    """

    dialect: Dialect
    reader: Reader
    limits: Limits = field(factory=Limits)
    commit: Commit = "content"
    """``first-event`` holds back nothing."""
    strict: bool = False
    """Whether content and structure must be JSON, because the consumer decodes it itself."""
    released: bool = field(default=False, init=False)
    """Whether events are delivered as they arrive."""
    held: list[Event] = field(factory=list[Event], init=False)
    """The events held back."""
    owing: bool = field(default=False, init=False)
    """Whether an event was held back that is more than a keep-alive."""
    first_content: Event | None = field(default=None, init=False)
    """The first content or terminal event."""
    progress: bool = field(default=False, init=False)
    """Whether the last call of `sort` saw content, structure or the terminal event."""
    complete: bool = field(default=False, init=False)
    """Whether the terminal event has arrived."""
    taken: int = field(default=0, init=False)
    """How many events the last call of `sort` took: all, or those before an error, or up to the terminal event."""
    marks: tuple[Event, ...] = field(default=(), init=False)
    """The terminal event if it has come and is hidden."""
    failed_by: Event | None = field(default=None, init=False)
    """The event in which the server reports a failure."""
    garbled: Event | None = field(default=None, init=False)
    """The event that is not JSON though it must be."""
    usage: Usage | None = field(default=None, init=False)
    """The token counts that the server has reported so far."""
    _held_bytes: int = field(default=0, init=False)

    def sort(self, events: Sequence[Event]) -> list[Event]:
        """Sort `events` and return those to deliver now. Events after a terminal event or an error are ignored.

        Raises StreamError if an answer that is held until it is complete is larger than `HELD_ANSWER`.
        """
        classify = self.reader.classify
        releasing = _TERMINAL if self.commit == "complete" else _CONTENT
        ready: list[Event] = []
        self.progress = False
        self.taken = len(events)
        for count, event in enumerate(events, 1):
            kind = classify(event)
            if kind & _USAGE:
                self._count(event)
            if kind & _ERROR or (self.strict and self._is_garbled(event, kind)):
                self.failed_by = None if self.garbled is event else event
                self.taken = count - 1
                break
            if kind & _PROGRESS:
                self.progress = True
            if kind & _CONTENT and self.first_content is None:
                self.first_content = event
            if self.released:
                ready.append(event)
            elif kind & releasing or not self._keep(event, kind):
                ready = self.release()
                ready.append(event)
            if kind & _TERMINAL:
                self.complete, self.taken = True, count
                if kind & _HIDDEN:
                    self.marks = (ready.pop(),)
                break
        return ready

    def continues(self, earlier: "CommitBuffer") -> None:
        """Continue where `earlier` stopped, which has released its events."""
        self.reader, self.released = earlier.reader, earlier.released
        self.first_content, self.usage = earlier.first_content, earlier.usage

    @property
    def failed(self) -> bool:
        """Whether the server has reported a failure, or sent what cannot be read."""
        return self.failed_by is not None or self.garbled is not None

    def release(self) -> list[Event]:
        """Return the events held back, and hold back no more."""
        self.released = True
        held, self.held = self.held, []
        return held

    def _keep(self, event: Event, kind: Kind) -> bool:
        """Hold `event` back if holding is on and there is room. Returns whether it was held back."""
        self._held_bytes += len(event.raw) + len(event.type) + len(event.id)
        if self.commit == "complete":
            if self._held_bytes + len(self.held) * _EVENT_BYTES > HELD_ANSWER:
                raise too_large_to_hold()
        elif self.commit == "first-event" or self._is_full():
            return False
        self.held.append(event)
        self.owing = self.owing or not kind & _KEEPALIVE
        return True

    def _is_full(self) -> bool:
        return len(self.held) >= self.limits.held_events or self._held_bytes > self.limits.held_bytes

    def _is_garbled(self, event: Event, kind: Kind) -> bool:
        if kind & _PROGRESS and not kind & _HIDDEN:
            try:
                event.json()
            except StreamError:
                self.garbled = event
        return self.garbled is not None

    def _count(self, event: Event) -> None:
        usage = self.dialect.usage(event)
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage.advanced(usage)


def too_large_to_hold() -> StreamError:
    """Return the error for an answer that cannot be held until it is complete."""
    size = HELD_ANSWER // (1024 * 1024)
    message = f'the answer is over {size} MiB, the most that commit="complete" holds until it is complete'
    return StreamError(message, is_local=True)
