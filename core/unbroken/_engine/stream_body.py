"""From the bytes of a stream to the events to deliver, and to the failure that they report. Does no I/O."""

from attrs import define, field

from ..call import Call
from ..dialect import CONTENT, ERROR, HIDDEN, TERMINAL, Reader
from ..errors import StreamError, TruncatedStreamError
from ..framing import Decoder
from ..messages import Event
from .commit_buffer import CommitBuffer
from .hook_calls import HookCalls
from .wire_bytes import WireBytes


@define(eq=False, repr=False)
class StreamBody:
    """Decodes and sorts the body of one attempt, chunk by chunk."""

    call: Call
    hooks: HookCalls
    reader: Reader
    buffer: CommitBuffer
    wire: WireBytes | None
    decoder: Decoder
    _bare_tries: int = field(default=16, init=False)

    def take(self, chunk: bytes, *, count_keepalives: bool) -> tuple[list[Event], bool]:
        """Decode and sort a chunk. Returns the events to deliver now and whether there was progress."""
        call, buffer, decoder = self.call, self.buffer, self.decoder
        call.bytes += len(chunk)
        comments = decoder.comments
        events = decoder.feed(chunk)
        ready = buffer.sort(events)
        if self.wire is not None:
            self._keep_bytes(self.wire, chunk)
        if decoder.retry is not None:
            call.reconnection_time = decoder.retry / 1000
        self._note_progress()
        counted = count_keepalives and (bool(events) or decoder.comments != comments)
        return ready, buffer.progress or counted

    def _note_progress(self) -> None:
        """Note in the call what the buffer has seen."""
        call, buffer = self.call, self.buffer
        if buffer.usage is not call.usage and buffer.usage is not None:
            call.usage = buffer.usage
            self.hooks.on_usage(buffer.usage)
        if buffer.first_content is not None and call.phase != "streaming":
            call.phase = "streaming"  # also while a complete answer is awaited
            call.first_content_at = call.now() if call.first_content_at is None else call.first_content_at

    def _keep_bytes(self, wire: WireBytes, chunk: bytes) -> None:
        """Keep the bytes of the events that the buffer took."""
        buffer, decoder = self.buffer, self.decoder
        wire.take(chunk, at_boundary=decoder.at_boundary)
        if buffer.complete or buffer.failed or decoder.error is not None:
            wire.end_behind(buffer.taken)
        else:
            wire.bound()

    def raise_reported(self) -> None:
        """Raise the failure that the server or the decoder reported after the delivered events."""
        buffer, decoder = self.buffer, self.decoder
        if buffer.failed_by is not None:
            raise self.call.dialect.error_from_event(buffer.failed_by)
        if buffer.garbled is not None:
            raise StreamError(f"the data of event {buffer.garbled.type[:60]!r} is not JSON", retryable=True)
        if buffer.released or not buffer.owing:
            self.call.last_event_id = decoder.last_event_id  # a block with only an id changes it too
        if decoder.error is not None:
            raise decoder.error
        if decoder.has_bare_json and self._bare_tries:
            self._raise_bare()

    def _raise_bare(self) -> None:
        """Raise the failure that the server reports in JSON without the framing of SSE."""
        body, response = self.decoder.bare_json(), self.call.response
        if response is not None and body.rstrip().endswith((b"}", b"]")):
            self._bare_tries -= 1  # bounded, as each try reads the whole again
            error = self.call.dialect.error_from_body(response, body)
            if error is not None:
                raise error

    def end(self) -> list[Event]:
        """Return the events to deliver at the normal end of the body: those that it completes, and those held back.

        Raises TruncatedStreamError if the stream is not complete, and the failure that the last event reports.
        """
        decoder = self.decoder
        if decoder.has_bare_json:
            self._raise_bare()
        unfinished = decoder.unfinished()
        last = decoder.close()
        ready = self.buffer.sort(last) if last else []
        if last:
            self._note_progress()
            self.raise_reported()
        if not self.buffer.complete and not self._complete_behind(unfinished):
            raise TruncatedStreamError("the connection ended before the stream was complete")
        return [*ready, *self.buffer.release()]

    def _complete_behind(self, unfinished: Event | None) -> bool:
        """Return whether the stream is complete if the body ends normally in the midst of that event.

        A mark that carries nothing may lack its line end. A part of the answer, or of what may be one, is missing.
        Raises the failure that the event reports.
        """
        complete, dialect = self.reader.complete_at_end(), self.call.dialect  # without what is unfinished
        if unfinished is None:
            return complete
        kind = self.reader.classify(unfinished)
        if kind & HIDDEN:
            return True
        if complete and dialect.has_terminal_event:
            if kind & ERROR:
                raise dialect.error_from_event(unfinished)
            return not kind & (CONTENT | TERMINAL)
        return complete
