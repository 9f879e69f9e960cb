"""One attempt: open, check the head, decode, hold back until the commit, deliver. A generator of effects."""

import builtins
from collections.abc import Generator, Sequence
from typing import Any, Final

from attrs import define, field, frozen

from ..call import Call
from ..dialect import Kind
from ..errors import ClockName, NetworkError, TimeoutError, TruncatedStreamError
from ..messages import Event, Request, Response, Timeouts
from ..sse import SSEDecoder
from ..transport import Opening
from ..validators import number
from .effects import PAUSE, READY, Effect, Leave, Open, Read
from .head import ERROR_BODY_BYTES, ERROR_BODY_SECONDS, check_head, error_answer
from .hook_calls import HookCalls

Steps = Generator[Effect | Event, Any, Any]

_KEEPALIVE: Final = int(Kind.KEEPALIVE)
_PREAMBLE: Final = int(Kind.PREAMBLE)
_TERMINAL: Final = int(Kind.TERMINAL)
_ERROR: Final = int(Kind.ERROR)
_USAGE: Final = int(Kind.USAGE)

MAX_EVENT_SIZE: Final = 1024 * 1024

_DEFAULT_TIMEOUTS = Timeouts()

# After so many events of one chunk other tasks get a turn.
_PAUSE_EVERY = 256


@frozen(kw_only=True)
class Limits:
    """What may be kept in memory."""

    max_event_size: int = field(default=MAX_EVENT_SIZE, validator=number(at_least=1, whole=True))
    """Bytes of one event."""
    held_events: int = 1024
    """Events held back until the commit; one more, or `held_bytes`, commits."""
    held_bytes: int = 256 * 1024


@define(eq=False)
class AttemptRun:
    """The engine's side of one attempt."""

    call: Call
    hooks: HookCalls
    limits: Limits
    hold: bool
    """Whether preamble is held back until the first content event."""
    sent: bool = field(default=False, init=False)
    """Whether the transport was asked to send."""
    ended: bool = field(default=False, init=False)
    """Whether the body was read to its end, or its stream is complete."""
    _released: bool = field(default=False, init=False)
    _progress: bool = field(default=False, init=False)
    _held: list[Event] = field(factory=list[Event], init=False)
    _held_bytes: int = field(default=0, init=False)

    def exchange(self, request: Request) -> Steps:
        """Send `request` and deliver its stream. Returns when the stream is complete; raises the failure."""
        call = self.call
        timeouts = request.timeouts or _DEFAULT_TIMEOUTS
        started = call.now()
        response = yield from self._open(request, timeouts, started)
        self.hooks.on_response(response)
        if not check_head(response):
            body = yield from self._error_body()
            raise error_answer(call.dialect, response, body)
        call.phase = "first_event" if call.committed_at is None else "streaming"
        yield from self._body(timeouts, started)
        self.ended = True

    def _open(self, request: Request, timeouts: Timeouts, started: float) -> Steps:
        call = self.call
        deadline = _earliest(_after(started, timeouts.first_event), call.deadline)
        connect = _after(started, timeouts.connect)
        opening = Opening(connect_deadline=_earliest(connect, deadline), deadline=deadline)
        call.phase = "connect"
        self.sent = True
        try:
            response: Response = yield Open(request, opening)
        except builtins.TimeoutError as error:
            if isinstance(error, TimeoutError):
                raise
            reached = opening.connect_deadline if opening.phase == "connect" else deadline
            clock: ClockName = "connect" if reached == connect and opening.phase == "connect" else "first_event"
            raise self._timed_out(clock, reached, timeouts) from error
        finally:
            call.phase = opening.phase
        call.response = response
        return response

    def _body(self, timeouts: Timeouts, started: float) -> Steps:
        """Read until the stream is complete, against the first-event clock and then the idle clock."""
        call = self.call
        decoder = SSEDecoder(self.limits.max_event_size, request_id=call.id, dialect=call.dialect)
        read = Read()
        clock: ClockName = "first_event"
        left = None if timeouts.first_event is None else started + timeouts.first_event - call.now()
        while True:
            began = call.now()
            read.deadline = _earliest(_after(began, left), call.deadline)
            try:
                chunk: bytes = yield read
            except builtins.TimeoutError as error:
                raise self._timed_out(clock, read.deadline, timeouts) from error
            if left is not None:
                left -= call.now() - began
            if not chunk:
                return (yield from self._end(decoder))
            if (yield from self._receive(chunk, decoder, count_keepalives=timeouts.count_keepalives)):
                return None
            if self._released and (self._progress or clock == "first_event"):
                clock, left = "idle", timeouts.idle

    def _receive(self, chunk: bytes, decoder: SSEDecoder, *, count_keepalives: bool) -> Steps:
        """Decode and deliver a chunk. Returns whether the stream is complete; raises what it reports."""
        call = self.call
        call.bytes += len(chunk)
        comments = decoder.comments
        events = decoder.feed(chunk)
        self._progress = False
        ready, ending = self._sort(events)
        if count_keepalives and (events or decoder.comments != comments):
            self._progress = True
        complete = ending is not None and ending[1] == _TERMINAL
        if ready and (yield from self.deliver(ready, complete=complete)):
            return True
        if ending is None and self._released:
            call.last_event_id = decoder.last_event_id  # a block with only an id moves it too
        if ending is not None and not complete:
            raise call.dialect.error_from_event(ending[0])
        if decoder.error is not None:
            raise decoder.error
        return complete

    def _sort(self, events: Sequence[Event]) -> tuple[list[Event], tuple[Event, int] | None]:
        """Return the events that may be delivered now, and the one that ends the stream with its kind."""
        classify = self.call.dialect.classify
        ready: list[Event] = []
        for event in events:
            kind: int = classify(event)
            if kind >= _USAGE:
                kind -= _USAGE
                self._note_usage(event)
            if kind == _ERROR:
                return ready, (event, kind)
            if kind != _KEEPALIVE:
                self._progress = True
            if self._released:
                ready.append(event)
            elif kind > _PREAMBLE or not self._keep(event):
                self._released = True
                ready = [*self._held, event]
                self._held = []
            if kind == _TERMINAL:
                return ready, (event, kind)
        return ready, None

    def _keep(self, event: Event) -> bool:
        """Hold `event` back if that is wanted and there is room for it."""
        self._held_bytes += len(event.raw) + len(event.type) + len(event.id)
        if not self.hold or len(self._held) >= self.limits.held_events or self._held_bytes > self.limits.held_bytes:
            return False
        self._held.append(event)
        return True

    def _note_usage(self, event: Event) -> None:
        usage = self.call.dialect.usage(event)
        if usage is not None:
            kept = self.call.usage
            self.call.usage = usage if kept is None else kept.updated(usage)

    def deliver(self, events: Sequence[Event], *, complete: bool) -> Steps:
        """Hand `events` to the consumer. Returns whether that is the end: `complete` with the last one, or FINISH."""
        call = self.call
        hooks = self.hooks
        if call.committed_at is None:
            yield READY
            call.committed_at = call.now()
            call.phase = "streaming"
            hooks.on_commit(events[-1] if len(events) == 1 else self._first_content(events))
        last = len(events) if complete else 0
        for count, event in enumerate(events, 1):
            answer = hooks.on_event(event) if hooks.watched else event
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

    def _first_content(self, events: Sequence[Event]) -> Event:
        classify = self.call.dialect.classify
        return next((event for event in events if int(classify(event)) % _USAGE > _PREAMBLE), events[0])

    def _end(self, decoder: SSEDecoder) -> Steps:
        """Judge a body that has ended politely. Raises TruncatedStreamError when the stream is not complete."""
        self.ended = True
        decoder.close()
        if self.call.dialect.has_terminal_event:
            raise TruncatedStreamError("the connection ended before the stream was complete")
        if self._held:
            yield from self.deliver(self._held, complete=True)

    def _error_body(self) -> Steps:
        """Read what an answer that is no stream has to say, within bounds; a failure is just its end."""
        body = bytearray()
        read = Read()
        read.deadline = _earliest(self.call.now() + ERROR_BODY_SECONDS, self.call.deadline)
        while len(body) < ERROR_BODY_BYTES:
            try:
                chunk: bytes = yield read
            except (builtins.TimeoutError, NetworkError):
                break
            if not chunk:
                self.ended = True
                break
            body += chunk
        return bytes(body[:ERROR_BODY_BYTES])

    def _timed_out(self, clock: ClockName, reached: float | None, timeouts: Timeouts) -> TimeoutError:
        if reached is not None and reached == self.call.deadline:
            clock = "total"
        seconds: float | None = getattr(timeouts, clock)
        return timed_out(clock, seconds)


def timed_out(clock: ClockName, seconds: float | None) -> TimeoutError:
    """Make the error for a clock that ran out."""
    wording = {
        "connect": "no connection",
        "first_event": "no content event",
        "idle": "no progress in the stream",
        "total": "the call was not complete",
    }
    error = TimeoutError(f"{wording[clock]} within {seconds:g} s ({clock} timeout)" if seconds else wording[clock])
    error.clock, error.seconds = clock, seconds
    return error


def _after(start: float, seconds: float | None) -> float | None:
    return None if seconds is None else start + seconds


def _earliest(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
