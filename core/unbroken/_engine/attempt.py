"""One attempt, as generators of effects: run `before_request`, open, check the head, read, deliver."""

import builtins
from collections.abc import Sequence

from attrs import define, field

from ..call import Call
from ..dialect import Reader
from ..errors import Error, NetworkError, TimeoutError, TimeoutName
from ..framing import Framing, Limits
from ..messages import Event, Request, Response, Timeouts
from ..transport import Opening, closed
from .closing import Closing
from .commit_buffer import HELD_ANSWER, Commit, CommitBuffer
from .delivery import Delivery, Mode, Wire
from .effects import Open, Read, Steps
from .head import ERROR_BODY_BYTES, ERROR_BODY_SECONDS, check_head, check_plain_head, error_answer
from .hook_calls import HookCalls
from .plain import PlainBody
from .shadow import Trial
from .stream_body import StreamBody
from .timing import ReadTimeout, after, earliest, expired
from .wire_bytes import WireBytes

_DEFAULT_TIMEOUTS = Timeouts()


@define(eq=False)
class AttemptRun:
    """Runs one attempt of a call."""

    call: Call
    hooks: HookCalls
    limits: Limits
    mode: Mode
    closing: Closing
    sent: bool = field(default=False, init=False)
    """Whether the request was handed to the transport."""
    ended: bool = field(default=False, init=False)
    """Whether the body was read to its end or the stream is complete."""
    reader: Reader = field(init=False)
    _resumed: bool = field(default=False, init=False)
    error_body: bytes = field(default=b"", init=False, repr=False)
    """The body of an answer that was an error, or not what was asked for; its first `ERROR_BODY_BYTES`."""
    _buffer: CommitBuffer = field(init=False)
    _delivery: Delivery = field(init=False)
    _wire: WireBytes | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.reader = self.call.dialect.reader(self.call)
        commit, check = self.mode.commit, self.mode.check
        strict = self.mode.wire and self.call.dialect.events_are_json
        hold: Commit = "complete" if check else commit
        self._buffer = CommitBuffer(self.call.dialect, self.reader, self.limits, hold, strict)
        self._delivery = Delivery(self.call, self.hooks, check)
        if self.mode.wire:
            held = HELD_ANSWER if commit == "complete" else self.limits.held_bytes
            self._wire = WireBytes(held + self.limits.max_event_size)

    def continues(self, earlier: "AttemptRun") -> None:
        """Continue the stream of `earlier`, whose events the consumer has: its reader has read them."""
        self.reader, self._resumed = earlier.reader, True
        self._buffer.continues(earlier._buffer)
        self.call.usage = self._buffer.usage

    @property
    def failed_by(self) -> Event | None:
        """The event in which the server reported the failure; None if it was not an event."""
        return self._buffer.failed_by

    def run(self) -> Steps[None]:
        """Run `before_request`, then send the request and deliver its stream, or replay the stored events.

        Raises the failure of the attempt.
        """
        if self.closing.closed:
            raise closed()
        answer = yield from self.hooks.before_request()
        if not isinstance(answer, Request):
            yield from self.replay(answer.events)
            return
        timeouts = answer.timeouts or _DEFAULT_TIMEOUTS
        started, trial = self.call.now(), None
        if timeouts.shadow:
            trial = Trial(timeouts, self.call, self.hooks.would_expire, started)
            timeouts = _DEFAULT_TIMEOUTS
        response = yield from self._open(answer, timeouts, started, trial)
        self.hooks.on_response(response)
        is_expected, start = self._checked_head(response), b""
        left = None if timeouts.first_event is None else started + timeouts.first_event - self.call.now()
        timeout = ReadTimeout(timeouts, left, self.call.deadline)
        if trial is not None:
            timeout = trial.beside(timeout)
        if self._resumed:
            timeout.progressed(quiet=self.reader.quiet, progress=True)
        if is_expected is None:
            framing = self.call.dialect.framing(response)
            start = yield from self._first_bytes(timeout, framing)
            is_expected = framing.begins(start)
        if not is_expected:
            self.error_body = yield from self._error_body(start)
            expected = "JSON" if self.mode.plain else " or ".join(self.call.dialect.media_types)
            raise error_answer(self.call.dialect, response, self.error_body, expected=expected)
        self.call.phase = "first_event" if self.call.committed_at is None else "streaming"
        if self.mode.plain:
            yield from self._plain(response, timeout)
        else:
            yield from self._body(timeouts, timeout, start)
        self.ended = True

    def _checked_head(self, response: Response) -> bool | None:
        if self.mode.plain:
            return check_plain_head(response, self.call.current, redirects=self.mode.wire)
        return check_head(response, self.call.dialect.framings)

    def replay(self, events: Sequence[Event]) -> Steps[None]:
        """Deliver `events` instead of an answer from the server."""
        self._buffer.sort(events)
        if self._wire is not None:
            self._wire.take(b"".join(map(self.call.dialect.framing(None).encode, events)), at_boundary=True)
        if events:
            yield from self._deliver([*events], complete=True)

    def _open(self, request: Request, timeouts: Timeouts, started: float, trial: Trial | None) -> Steps[Response]:
        """Send the request. Returns the head of the response."""
        call = self.call
        deadline = earliest(after(started, timeouts.first_event), call.deadline)
        connect = after(started, timeouts.connect)
        opening = Opening(connect_deadline=earliest(connect, deadline), deadline=deadline)
        opening = opening if trial is None else trial.timed(opening)
        call.phase = "connect"
        call.sent_at = started
        self.sent = True
        try:
            response: Response = yield Open(request, opening)
        except builtins.TimeoutError as error:
            if isinstance(error, TimeoutError):
                raise  # the transport has one of its own
            connecting = opening.phase == "connect"
            reached = opening.connect_deadline if connecting else deadline
            name: TimeoutName = "connect" if connecting and reached == connect else "first_event"
            raise expired(name, reached, call.deadline, timeouts) from error
        finally:
            call.phase = opening.phase
            if trial is not None:
                trial.opened(opening)
        call.response = response
        return response

    def _first_bytes(self, timeout: ReadTimeout, framing: Framing) -> Steps[bytes]:
        """Read until the bytes tell whether this is a stream, as no content type does. Returns them."""
        start, chunks, seen, read = b"", list[bytes](), 0, Read()
        while framing.begins(start) is None and seen < ERROR_BODY_BYTES:
            chunk = yield from self._chunk(read, timeout)
            if not chunk:
                break
            seen += len(chunk)
            chunks.append(chunk)
            start = (start + chunk).lstrip(b"\r\n")  # blank lines say nothing, and would be copied each time
        return b"".join(chunks)

    def _chunk(self, read: Read, timeout: ReadTimeout) -> Steps[bytes]:
        """Read the next bytes, ``b""`` at the end of the body. Raises TimeoutError."""
        read.deadline = timeout.begin(self.call.now())
        try:
            chunk: bytes = yield read
        except builtins.TimeoutError as error:
            raise timeout.error(error) from error
        finally:
            timeout.end(self.call.now())
        self.ended = not chunk
        return chunk

    def _plain(self, response: Response, timeout: ReadTimeout) -> Steps[None]:
        """Read and deliver an answer that is no stream. Raises TimeoutError and what `PlainBody.end` raises."""
        call, read = self.call, Read()
        answer = PlainBody(call, response, holds=self.mode.commit == "complete")
        while chunk := (yield from self._chunk(read, timeout)):
            call.bytes += len(chunk)
            call.first_content_at = call.now() if call.first_content_at is None else call.first_content_at
            timeout.progressed(quiet=False, progress=True)
            pieces = answer.take(chunk)
            if pieces and (yield from self._deliver(pieces, complete=False)):
                return
        try:
            rest = answer.end()
        except Error:
            self.error_body = answer.held()
            raise
        if call.usage is not None:
            self.hooks.on_usage(call.usage)
        if rest:
            yield from self._deliver(rest, complete=True)

    def _body(self, timeouts: Timeouts, timeout: ReadTimeout, start: bytes) -> Steps[None]:
        """Read and deliver until the stream is complete. The body goes on after `start`.

        Raises the error that the server reports, TimeoutError, and TruncatedStreamError if the body ends too early.
        """
        call, buffer = self.call, self._buffer
        decoder = call.dialect.decoder(self.limits, call)
        if call.last_event_id:
            decoder.continue_from(call.last_event_id)
        if self._wire is not None:
            self._wire.framing = call.dialect.framing(call.response)
        body = StreamBody(call, self.hooks, self.reader, buffer, self._wire, decoder)
        read = Read()
        while True:
            read.deadline = timeout.begin(call.now())
            try:
                chunk: bytes = start or (yield read)
            except builtins.TimeoutError as error:
                raise timeout.error(error) from error
            finally:
                timeout.end(call.now())
            start = b""
            if not chunk:
                break
            try:
                ready, progress = body.take(chunk, count_keepalives=timeouts.count_keepalives)
            finally:
                del chunk  # it would be in the traceback of the next failure
            if (ready or buffer.complete) and (yield from self._deliver(ready, complete=buffer.complete)):
                return
            body.raise_reported()
            if buffer.first_content is not None:
                timeout.progressed(quiet=self.reader.quiet, progress=progress)
        self.ended = True
        last = body.end()
        rest = self._wire is not None and self._wire.end()
        if last or rest:
            yield from self._deliver(last, complete=True)

    def _deliver(self, events: list[Event], *, complete: bool) -> Steps[bool]:
        buffer, wire = self._buffer, None
        if self._wire is not None and not self.mode.plain:
            wire = Wire(self._wire.release(), buffer.marks)
        first = buffer.first_content or (events[0] if events else Event())
        return self._delivery.deliver(events, first, complete=complete, wire=wire)

    def _error_body(self, start: bytes) -> Steps[bytes]:
        """Return the body of an answer that is not a stream, read within ERROR_BODY_BYTES and ERROR_BODY_SECONDS.

        It goes on after `start`.

        A timeout or a network failure only ends the body: the status is the error that matters.
        """
        body = bytearray(start)
        read = Read()
        read.deadline = earliest(self.call.now() + ERROR_BODY_SECONDS, self.call.deadline)
        while not self.ended and len(body) < ERROR_BODY_BYTES:
            try:
                chunk: bytes = yield read
            except (builtins.TimeoutError, NetworkError):
                break
            self.ended = not chunk
            body += chunk
        return bytes(body[:ERROR_BODY_BYTES])
