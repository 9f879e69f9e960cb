"""Sorting the events of one attempt: what may be delivered now, what is held back until the commit. Pure."""

from collections.abc import Sequence

from attrs import define, field, frozen

from ..dialect import CONTENT, ERROR, KEEPALIVE, TERMINAL, USAGE, Dialect, Reader
from ..messages import Event, Usage
from ..validators import number

MAX_EVENT_SIZE = 1024 * 1024

_CONTENT, _KEEPALIVE, _TERMINAL, _ERROR, _USAGE = map(int, (CONTENT, KEEPALIVE, TERMINAL, ERROR, USAGE))
_COMMITS = _CONTENT | _TERMINAL


@frozen(kw_only=True)
class Limits:
    """What may be kept in memory."""

    max_event_size: int = field(default=MAX_EVENT_SIZE, validator=number(at_least=1, whole=True))
    """Bytes of one event."""
    held_events: int = 1024
    """Events held back until the commit; one more, or `held_bytes`, commits."""
    held_bytes: int = 256 * 1024


@define(eq=False)
class CommitBuffer:
    """Holds the preamble of one attempt back until its first content.

    ==============  ==================================================  ===============================
    state           an event that comes                                 afterwards
    ==============  ==================================================  ===============================
    holding         keep-alive or preamble, and there is room           held, still holding
    holding         content, terminal, or no room                       held events and it are ready: released
    released        any but an error                                    ready
    either          terminal                                            ready, `complete`
    either          error                                               not ready, `failed_by`
    ==============  ==================================================  ===============================
    """

    dialect: Dialect
    reader: Reader
    limits: Limits = field(factory=Limits)
    hold: bool = True
    """Whether to hold anything back at all."""
    released: bool = field(default=False, init=False)
    """Whether events are handed on as they come."""
    held: list[Event] = field(factory=list[Event], init=False)
    """What is held back."""
    first_content: Event | None = field(default=None, init=False)
    """The first content or terminal event."""
    progress: bool = field(default=False, init=False)
    """Whether the events sorted last had one that is no keep-alive."""
    complete: bool = field(default=False, init=False)
    """Whether the terminal event has come."""
    failed_by: Event | None = field(default=None, init=False)
    """The event with which the server reports a failure."""
    usage: Usage | None = field(default=None, init=False)
    """The tokens that the server has counted so far."""
    _held_bytes: int = field(default=0, init=False)

    def sort(self, events: Sequence[Event]) -> list[Event]:
        """Take `events` in and return those to deliver now. What follows a terminal event or an error is not read."""
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
            if not kind & _KEEPALIVE:
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
        """Return what was held back; from now on nothing is."""
        self.released = True
        held, self.held = self.held, []
        return held

    def _keep(self, event: Event) -> bool:
        """Hold `event` back if that is wanted and there is room for it."""
        self._held_bytes += len(event.raw) + len(event.type) + len(event.id)
        if not self.hold or len(self.held) >= self.limits.held_events or self._held_bytes > self.limits.held_bytes:
            return False
        self.held.append(event)
        return True

    def _count(self, event: Event) -> None:
        usage = self.dialect.usage(event)
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage.updated(usage)
