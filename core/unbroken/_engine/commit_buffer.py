"""Sorts the events of one attempt into those to deliver now and those held back until the commit. Does no I/O."""

from collections.abc import Sequence

from attrs import define, field, frozen

from ..dialect import CONTENT, ERROR, STRUCTURE, TERMINAL, USAGE, Dialect, Reader
from ..messages import Event, Usage
from ..validators import number

MAX_EVENT_SIZE = 1024 * 1024

_TERMINAL, _ERROR, _USAGE = map(int, (TERMINAL, ERROR, USAGE))
_COMMITS = int(CONTENT | TERMINAL)
_PROGRESS = int(CONTENT | STRUCTURE | TERMINAL)


@frozen(kw_only=True)
class Limits:
    """How much may be kept in memory."""

    max_event_size: int = field(default=MAX_EVENT_SIZE, validator=number(at_least=1, whole=True))
    """The most bytes of one event."""
    held_events: int = 1024
    """The most events held back until the commit. One more event, or more than `held_bytes`, commits."""
    held_bytes: int = 256 * 1024


@define(eq=False)
class CommitBuffer:
    """Holds back the preamble of one attempt until its first content.

    ========  ======================================  ==========================================  ========
    state     the next event                          is                                          state
    ========  ======================================  ==========================================  ========
    holding   any other kind, there is room           held back                                   holding
    holding   any other kind, no room                 ready to deliver, after the held events     released
    holding   content or terminal                     ready to deliver, after the held events     released
    released  any except an error                     ready to deliver                            released
    either    error                                   not delivered; it is `failed_by`            the same
    ========  ======================================  ==========================================  ========

    A terminal event also sets `complete`. No event after a terminal event or an error is looked at.
    """

    dialect: Dialect
    reader: Reader
    limits: Limits = field(factory=Limits)
    hold: bool = True
    """Whether to hold events back at all."""
    released: bool = field(default=False, init=False)
    """Whether events are delivered as they arrive."""
    held: list[Event] = field(factory=list[Event], init=False)
    """The events held back."""
    first_content: Event | None = field(default=None, init=False)
    """The first content or terminal event."""
    progress: bool = field(default=False, init=False)
    """Whether the last call of `sort` saw content, structure or the terminal event."""
    complete: bool = field(default=False, init=False)
    """Whether the terminal event has arrived."""
    failed_by: Event | None = field(default=None, init=False)
    """The event in which the server reports a failure."""
    usage: Usage | None = field(default=None, init=False)
    """The token counts that the server has reported so far."""
    _held_bytes: int = field(default=0, init=False)

    def sort(self, events: Sequence[Event]) -> list[Event]:
        """Sort `events` and return those to deliver now. Events after a terminal event or an error are ignored."""
        classify = self.reader.classify
        ready: list[Event] = []
        self.progress = False
        for event in events:
            kind = classify(event)
            if kind & _USAGE:
                self._count(event)
            if kind & _ERROR:
                self.failed_by = event
                break
            if kind & _PROGRESS:
                self.progress = True
            if kind & _COMMITS and self.first_content is None:
                self.first_content = event
            if self.released:
                ready.append(event)
            elif kind & _COMMITS or not self._keep(event):
                ready = self.release()
                ready.append(event)
            if kind & _TERMINAL:
                self.complete = True
                break
        return ready

    def release(self) -> list[Event]:
        """Return the events held back, and hold back no more."""
        self.released = True
        held, self.held = self.held, []
        return held

    def _keep(self, event: Event) -> bool:
        """Hold `event` back if holding is on and there is room. Returns whether it was held back."""
        self._held_bytes += len(event.raw) + len(event.type) + len(event.id)
        if not self.hold or len(self.held) >= self.limits.held_events or self._held_bytes > self.limits.held_bytes:
            return False
        self.held.append(event)
        return True

    def _count(self, event: Event) -> None:
        usage = self.dialect.usage(event)
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage.advanced(usage)
