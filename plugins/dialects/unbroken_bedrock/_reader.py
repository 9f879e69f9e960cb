"""Reads the events of one attempt: those of ConverseStream, or those of a model in InvokeModelWithResponseStream."""

from functools import cache
from typing import Any, Final, final
from urllib.parse import urlsplit

from attrs import define, field

from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, TERMINAL, USAGE, AttemptView, Dialect, Kind, Reader
from unbroken.error_bodies import as_object
from unbroken.errors import StreamError
from unbroken.eventstream import ERROR as FAILED
from unbroken.eventstream import EXCEPTION
from unbroken.messages import Event, Request, Summary
from unbroken.registry import resolve_dialect

from . import _converse, _models
from ._converse import DELTA, TYPES, Conversation, Proof
from ._framing import CHUNK, MESSAGES

CONVERSE: Final = "/converse-stream"
INVOKE: Final = "/invoke-with-response-stream"
FAILURES: Final = (EXCEPTION, FAILED)
_END: Final = TERMINAL | USAGE


def path_of(request: Request) -> str:
    """Return the path of a request, without a slash at its end."""
    return urlsplit(request.url).path.rstrip("/")


@cache
def messages_api() -> Dialect:
    """Return the dialect that knows what the events of Anthropic's models mean."""
    return resolve_dialect("anthropic")


# Without repr: it would show what the server sent, and stands in the variables of tracebacks.
@final
@define(eq=False, repr=False)
class BedrockReader:
    """Tells what each event is. The path of the request decides whose events they are.

    Below another path, as a gateway may have, the first event decides.
    """

    proof: Proof
    call: AttemptView | None = None
    _invoked: bool | None = field(default=None, init=False)  # None until the first event
    _talk: Conversation = field(init=False)
    _messages: Reader | None = field(default=None, init=False)  # made for the first event of the Messages API
    _reason: str | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._talk = Conversation(self.proof)

    @property
    def quiet(self) -> bool:
        """Whether the model thinks, or writes the input of a tool."""
        return self._talk.quiet or (self._messages is not None and self._messages.quiet)

    @property
    def summary(self) -> Summary:
        """Why the model stopped, and of the Messages API also the id and the model."""
        if self._messages is not None:
            told: Summary = getattr(self._messages, "summary", Summary())
            return told
        reason = self._talk.reason or self._reason
        return Summary(finish_reasons=() if reason is None else (reason,))

    def complete_at_end(self) -> bool:
        """Return whether the model has said why it stopped: what comes behind that are counts.

        A message of the Messages API needs its ``message_stop`` all the same.
        """
        return self._messages is None and (self._talk.reason or self._reason) is not None

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event`. Never raises."""
        type = event.type
        if type.startswith(FAILURES):
            return ERROR
        if self._invoked is None:
            path = "" if self.call is None else path_of(self.call.current)
            self._invoked = path.endswith(INVOKE) or (not path.endswith(CONVERSE) and _is_models(type))
        if self._invoked != _is_models(type):
            return KEEPALIVE
        if type in MESSAGES:
            if self._messages is None:
                self._messages = messages_api() if self.call is None else messages_api().reader(self.call)
            return self._messages.classify(event)
        try:
            document = as_object(event.json())
        except StreamError:
            return _unread(event)
        return self._chunk(document) if self._invoked else self._talk.kind_of(type, document)

    def text(self, event: Event) -> str | None:
        """Return the text of the answer in `event`, None without any. Raises StreamError for what is not JSON."""
        if event.type in MESSAGES:
            return (self._messages or messages_api()).text(event)
        return text_of(event)

    def _chunk(self, document: dict[str, Any]) -> Kind:
        if document.get("error"):
            return ERROR
        self._reason = _models.reason_of(document) or self._reason
        name = next((name for name in TYPES if name in document), None)
        kind = KEEPALIVE if name is None else self._talk.kind_of(name, as_object(document[name]))
        if _models.metrics_of(document):
            return _END
        return kind if name is not None else CONTENT if _models.says_anything(document) else KEEPALIVE


def text_of(event: Event) -> str | None:
    """Return the text of an event of Converse or of a chunk. Raises StreamError for a delta that is not JSON."""
    if event.type == DELTA:
        return _converse.text_of(as_object(event.json()))
    if event.type != CHUNK or not event.raw:
        return None
    document = as_object(event.json())
    return _converse.text_of(as_object(document.get(DELTA))) or _models.text_of(document)


def _is_models(type: str) -> bool:
    """Return whether a model itself made an event of this type."""
    return type == CHUNK or type in MESSAGES


def _unread(event: Event) -> Kind:
    """Return the kind of an event that is no JSON: what may be part of the answer must not pass for nothing."""
    return CONTENT if event.type == DELTA or (event.type == CHUNK and event.raw) else KEEPALIVE
