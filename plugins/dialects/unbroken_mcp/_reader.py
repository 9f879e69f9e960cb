"""What the messages of one attempt are."""

from typing import Any, final

from attrs import define, field

from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, STRUCTURE, TERMINAL, AttemptView, Kind
from unbroken.error_bodies import as_list, as_object
from unbroken.errors import StreamError
from unbroken.messages import Event, Summary

from ._messages import Asked, Id, asked, id_of, messages_in, messages_of, method_of


# Without repr: it would show what the server sent, and stands in the variables of tracebacks.
@final
@define(eq=False, repr=False)
class MCPReader:
    """Looks for the responses to the JSON-RPC requests of a call, whichever of its HTTP requests brings them.

    =================================================  ==========================================================
    message                                            kind
    =================================================  ==========================================================
    the response to the last of the requests           TERMINAL
    an error in its place                              ERROR; in the answer to a batch it is a response
    a request of the server                            CONTENT: the server waits for the answer of the client
    a notification, the response to another request    STRUCTURE while the call may be repeated, otherwise CONTENT
    no data, ``{}``, an event with a name of its own   KEEPALIVE
    JSON that is cut                                   CONTENT
    =================================================  ==========================================================

    A call that may be repeated is held until its response, as it can be retried until then. To hold any other would
    gain nothing.
    """

    asked: Asked
    holds: bool
    """Whether notifications may wait for the response."""
    _open: set[tuple[bool, Id | None]] = field(init=False)
    _summary: Summary = field(factory=Summary, init=False)

    @classmethod
    def of(cls, call: AttemptView) -> "MCPReader":
        """Return the reader of an attempt of `call`."""
        wanted = asked(call.request)
        return cls(wanted, holds=bool(wanted.ids) and not wanted.listens and call.request.repeatable)

    def __attrs_post_init__(self) -> None:
        self._open = {_key(id) for id in self.asked.ids}

    @property
    def quiet(self) -> bool:
        """Whether the server works on a request, or waits for an answer to one of its own."""
        return bool(self._open)

    @property
    def summary(self) -> Summary:
        """How the request ended: ``error`` if the tool reports that it failed, else the type of the result."""
        return self._summary

    def complete_at_end(self) -> bool:
        """Return whether this is a feed, or every request has its response."""
        return not self._open or self.asked.listens

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event`. Never raises."""
        if event.type != "message":
            return KEEPALIVE
        try:
            kinds = [self._kind(message) for message in messages_of(event.json())]
        except StreamError:
            return CONTENT if event.raw.lstrip()[:1] in (b"{", b"[") else KEEPALIVE
        return next((kind for kind in (ERROR, TERMINAL, CONTENT, STRUCTURE) if kind in kinds), KEEPALIVE)

    def text(self, event: Event) -> str | None:
        """Return the text in `event`, None if it has none. Never raises."""
        return text_of(event)

    def _kind(self, message: dict[str, Any]) -> Kind:
        if method_of(message) is not None:
            return CONTENT if id_of(message) is not None or not self.holds else STRUCTURE
        failed = bool(message.get("error"))
        if not failed and "result" not in message:
            return KEEPALIVE
        if self._answers(message, failed):
            if failed and len(self.asked.ids) == 1:
                return ERROR
            self._end(message)
            return CONTENT if self._open else TERMINAL
        return STRUCTURE if self.holds else CONTENT

    def _answers(self, message: dict[str, Any], failed: bool) -> bool:
        """Return whether `message` is the answer to an open request.

        An error without an id is that of the only request: the server could not read it (JSON-RPC 2.0 §5).
        """
        id = id_of(message)
        if id is None:
            return failed and message.get("id") is None and len(self.asked.ids) == 1
        return _key(id) in self._open

    def _end(self, message: dict[str, Any]) -> None:
        self._open.discard(_key(id_of(message)))
        result = as_object(message.get("result"))
        kind = result.get("resultType")
        failed = "result" not in message or result.get("isError") is True
        reason = "error" if failed else kind if isinstance(kind, str) else "complete"
        self._summary = Summary(finish_reasons=(*self._summary.finish_reasons, reason))


def text_of(event: Event) -> str | None:
    """Return the text in the results in `event`: of a tool or a resource. None without any. Never raises."""
    blocks = [
        as_object(block)
        for message in messages_in(event)
        for name in ("content", "contents")
        for block in as_list(as_object(message.get("result")).get(name))
    ]
    texts = [text for block in blocks if isinstance(text := block.get("text"), str)]
    return "".join(texts) if texts else None


def _key(id: Id | None) -> tuple[bool, Id | None]:
    return isinstance(id, str), id
