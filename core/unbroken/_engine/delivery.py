"""Hands the events of one attempt to the consumer: the commit, what the plugins make of each event, turns of others."""

from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, frozen

from ..call import Call
from ..errors import Error, StreamError
from ..messages import Event
from .commit_buffer import Commit
from .effects import PAUSE, READY, Batch, Leave, Steps
from .hook_calls import HookCalls

Check = Callable[[Sequence[Event]], object]
"""Looks at all events of a complete answer before they are delivered. An Error that it raises fails the attempt."""

WHOLE: Final = "response"
"""The type of the event that is a whole plain answer."""
PIECE: Final = "piece"
"""The type of an event that is a part of an answer."""

# Other tasks may run after this many events of one chunk.
_PAUSE_EVERY: Final = 256


@frozen(kw_only=True)
class Mode:
    """What the consumer of a call wants."""

    commit: Commit = "content"
    check: Check | None = None
    """Run at the commit, which is then that of ``complete``."""
    plain: bool = False
    """Whether a plain answer is expected, not a stream."""
    wire: bool = False
    """Whether the consumer decodes the stream itself: it gets the bytes as they came, in events of type `PIECE`."""


@frozen
class Wire:
    """The bytes of the events that are delivered together."""

    raw: bytes
    marks: tuple[Event, ...] = ()
    """The hidden event that ends them, if there is one."""


@define(eq=False)
class Delivery:
    """Hands the events of one attempt to the consumer."""

    call: Call
    hooks: HookCalls
    check: Check | None

    def deliver(self, events: list[Event], first: Event, *, complete: bool, wire: Wire | None = None) -> Steps[bool]:
        """Hand `events` to the consumer. Returns whether that is the end: `complete` with the last one, or FINISH.

        `first` is the event that commits, if nothing has been delivered yet. With `wire`, the bytes of these events,
        the consumer gets those.
        """
        call, hooks = self.call, self.hooks
        if call.committed_at is None:
            if self.check is not None:
                _run_check(self.check, events)
            yield READY
            call.committed_at = call.now()
            call.phase = "streaming"
            hooks.on_commit(first)
        if wire is not None:
            return (yield from self._deliver_bytes(events, wire, complete=complete))
        deliver = self._watched if hooks.watched else self._unwatched
        return (yield from deliver(events, complete=complete))

    def _unwatched(self, events: list[Event], *, complete: bool) -> Steps[bool]:
        """Deliver events that no plugin looks at, as many at a time as there may be before other tasks get a turn."""
        call, total = self.call, len(events)
        for start in range(0, total, _PAUSE_EVERY):
            batch = Batch(events[start : start + _PAUSE_EVERY] if total > _PAUSE_EVERY else events)
            last = complete and start + _PAUSE_EVERY >= total
            try:
                yield batch
            except Leave:
                if last and batch.taken == len(batch.events):
                    return True
                raise
            finally:
                taken = batch.taken
                call.events += taken
                call.last_event_id = batch.events[taken - 1].id if taken else call.last_event_id
            if len(batch.events) == _PAUSE_EVERY and not last:
                yield PAUSE
        return complete

    def _watched(self, events: list[Event], *, complete: bool) -> Steps[bool]:
        """Deliver events one at a time, each after the plugins have looked at it."""
        call, hooks = self.call, self.hooks
        last = len(events) if complete else 0
        for count, event in enumerate(events, 1):
            answer = hooks.on_event(event)
            call.last_event_id = event.id
            if answer is not None:
                call.events += 1
                try:
                    yield answer
                except Leave:
                    if hooks.finishing or count == last:
                        return True
                    raise
            if hooks.finishing:
                return True
            if not count % _PAUSE_EVERY and count != last:
                yield PAUSE
        return complete

    def _deliver_bytes(self, events: list[Event], wire: Wire, *, complete: bool) -> Steps[bool]:
        """Deliver the bytes of `wire`, or the encoded events where the plugins have made others of them."""
        seen, piece = events, wire.raw
        failure: Error | None = None
        if self.hooks.watched:
            seen, failure = self._seen(events)
            complete = complete or self.hooks.finishing
            if len(seen) != len(events) or any(new is not old for new, old in zip(seen, events, strict=True)):
                marked = failure is None and not self.hooks.finishing
                encode = self.call.dialect.framing(self.call.response).encode
                piece = b"".join(map(encode, [*seen, *wire.marks] if marked else seen))
        if piece:
            self.call.events += len(seen)
            self.call.last_event_id = seen[-1].id if seen else self.call.last_event_id
            try:
                yield Event(PIECE, piece, "", self.call.id)
            except Leave:
                if failure is None and complete:
                    return True
                raise
        if failure is not None:
            raise failure
        return complete

    def _seen(self, events: list[Event]) -> tuple[list[Event], Error | None]:
        """Return what the plugins make of `events` up to FINISH or a failure, and that failure."""
        seen: list[Event] = []
        for event in events:
            try:
                answer = self.hooks.on_event(event)
            except Error as error:
                return seen, error
            if answer is not None:
                seen.append(answer)
            if self.hooks.finishing:
                break
        return seen, None


def _run_check(check: Check, events: Sequence[Event]) -> None:
    try:
        check(events)
    except StreamError as error:
        error.retryable = True  # nothing was delivered, and a server rarely makes the same mistake twice
        raise
