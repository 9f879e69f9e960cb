"""Makes events of a plain answer, one that is no stream. Does no I/O."""

from attrs import define, field

from ..call import Call
from ..errors import StreamError, TruncatedStreamError
from ..messages import Event, Response
from .commit_buffer import HELD_ANSWER
from .delivery import PIECE, WHOLE
from .head import ERROR_BODY_BYTES, is_json


# Without repr: it would show what the server sent, and stands in the variables of tracebacks.
@define(eq=False, repr=False)
class PlainBody:
    """Holds a plain answer until it is proven complete: then it is one event.

    The proof is its length, as ``Content-Length`` or the chunked framing gives it, and of JSON that it can be parsed as
    well. What is not held is delivered in pieces: a body over `HELD_ANSWER`, and without `holds` all that is not JSON.
    """

    call: Call
    response: Response
    holds: bool
    _body: bytearray = field(factory=bytearray, init=False)
    _received: int = field(default=0, init=False)
    _is_json: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._is_json = is_json(self.response)
        self.holds = self.holds or self._is_json

    def take(self, chunk: bytes) -> list[Event]:
        """Take the next bytes of the body. Returns the piece to deliver now, if there is one."""
        self._received += len(chunk)
        self._body += chunk
        if self.holds and len(self._body) <= HELD_ANSWER:
            return []
        self.holds = False
        piece = self._event(PIECE)
        self._body.clear()
        return [piece]

    def end(self) -> list[Event]:
        """Return what is left to deliver at the end of the body.

        Raises TruncatedStreamError if the answer is not complete, StreamError for JSON that cannot be parsed, and the
        error that the answer reports.
        """
        self._check_length()
        if self._received and not self.holds:
            return []
        event, call = self._event(WHOLE), self.call
        if event.raw.lstrip()[:1] in (b"{", b"["):
            error = call.dialect.error_from_answer(call.current, self.response, event.raw)
            if error is not None:
                raise error
        if self._is_json:
            self._check_json(event)
            call.usage = call.dialect.usage(event)
        return [event]

    def held(self) -> bytes:
        """Return the first part of what is held."""
        return bytes(self._body[:ERROR_BODY_BYTES])

    def _event(self, type: str) -> Event:
        return Event(type, bytes(self._body), "", self.call.id, self.call.dialect)

    def _check_length(self) -> None:
        length = self.response.headers.get("content-length", "")
        has_body = self.call.current.method != "HEAD" and length.isascii() and length.isdecimal()
        if has_body and int(length) != self._received:
            raise TruncatedStreamError(f"the answer ended after {self._received} of {length} bytes")

    def _check_json(self, event: Event) -> None:
        headers = self.response.headers
        if not event.raw and ("content-length" in headers or self.response.status_code != 200):
            return  # 201, 202 and 204 often have no body
        try:
            event.json()
        except StreamError as error:
            if "content-length" not in headers and "transfer-encoding" not in headers:
                raise TruncatedStreamError("the connection ended before the JSON of the answer did") from None
            error.retryable = True  # nothing was delivered, and a server rarely makes the same mistake twice
            raise
