"""Reads the events of one attempt: chunks of Chat Completions, or events of the Responses API."""

from typing import Any, Final, Literal, final

from attrs import define, field

from unbroken.dialect import CONTENT, ERROR, HIDDEN, KEEPALIVE, TERMINAL, USAGE, AttemptView, Kind
from unbroken.errors import StreamError
from unbroken.messages import Event, Summary

from . import _chunks, _responses
from ._choices import Choices, as_list
from ._chunks import is_done, plain_kind
from ._failures import failure_in, unwrapped
from ._parts import TYPES, Parts, decode_delta
from ._responses import PREFIX, TEXT_DELTA, is_response
from ._silence import ADDED, DONE, OpenItems
from ._summary import Told
from ._text import decode_plain, text_of

Proof = Literal["finish_reason", "done"]
# The type of an event without a name (WHATWG HTML §9.2.6).
_UNNAMED: Final = "message"
_CREATED: Final = "response.created"
_HIDDEN_END: Final = TERMINAL | HIDDEN
_ERROR_USAGE: Final = ERROR | USAGE


# Without repr: it would show what the server sent, and stands in the variables of tracebacks.
@final
@define(eq=False, repr=False)
class OpenAIReader:
    """Tells what each event is, and whose text it has.

    The name of an event of the Responses API decides. Under any other name, or none, the data decides: it is a chunk,
    or an event whose name a proxy has dropped.
    """

    proof: Proof
    call: AttemptView | None = None
    _choices: Choices = field(init=False)
    _items: OpenItems = field(factory=OpenItems, init=False)
    _told: Choices = field(factory=Choices, init=False)
    """The choices as far as their text was asked for; `classify` has been given what was read with them already."""
    _parts: Parts = field(factory=Parts, init=False)
    _summary: Told = field(factory=Told, init=False)

    def __attrs_post_init__(self) -> None:
        self._choices = Choices(self.call)

    @property
    def quiet(self) -> bool:
        """Return whether the model thinks, or a tool or its call is at work (`OpenItems`, `Choices.quiet`)."""
        return self._items.quiet or self._choices.quiet

    @property
    def summary(self) -> Summary:
        """The id and the model of the answer, and the finish reasons of its choices."""
        return self._summary.summary()

    def complete_at_end(self) -> bool:
        """Return whether each choice that was seen has its ``finish_reason``, and that is proof enough."""
        return self.proof == "finish_reason" and self._choices.complete

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event`. Never raises."""
        type, raw = event.type, event.raw
        json = raw[:1] == b"{"
        if type == TEXT_DELTA and json:
            return CONTENT
        if type == _UNNAMED or not is_response(type):
            return plain_kind(event, self._choices) or self._kind_by_data(event)
        return self._done() if not json and is_done(raw) else self._kind_of_response(type, event)

    def text(self, event: Event) -> str | None:
        """Return the text of the answer in `event`, None without any. Raises StreamError for a chunk cut in two."""
        type, raw = event.type, event.raw
        try:
            if not raw.isascii():
                raw.decode()  # a decoder does not look into the texts that it skips
            if type == TEXT_DELTA:
                return self._parts.delta(decode_delta(raw))
            if type == _UNNAMED or not is_response(type):
                said = decode_plain(raw).choices
                if len(said) == 1:
                    choice = said[0]
                    several = self._told.several or self._choices.asked
                    if several and (choice.index or 0) != self._told.lowest:
                        return None
                    delta, text = choice.delta, choice.text
                    if delta is not None or text is not None:
                        content = None if delta is None else delta.content
                        return content if content or text is None else text
        except (ValueError, RecursionError):
            pass
        return self._text_by_data(event)

    def _done(self) -> Kind:
        """``[DONE]`` before the end of every choice reports that the server gave up."""
        return _HIDDEN_END if self.proof == "done" or self._choices.complete else ERROR

    def _kind_of_response(self, type: str, event: Event) -> Kind:
        kind = _responses.kind_of(type, event.raw)
        if type in (ADDED, DONE):
            self._items.note(type, event.raw)
        if kind & USAGE or type == _CREATED:
            self._summary.event(event, ends=type != _CREATED)
        return kind

    def _kind_by_data(self, event: Event) -> Kind:
        raw = event.raw
        if is_done(raw):
            return self._done()
        try:
            document = unwrapped(event.json())
        except StreamError:
            return CONTENT if is_cut(raw) else KEEPALIVE
        type = type_of(document)
        if type is not None:
            return self._kind_of_response(type, event)
        self._summary.chunk(document)
        return _ERROR_USAGE if failure_in(document) is not None else _chunks.kind_of(document, self._choices)

    def _text_by_data(self, event: Event) -> str | None:
        named = event.type if event.type != _UNNAMED and is_response(event.type) else None
        if named is not None and named not in TYPES:
            return None
        try:
            document = unwrapped(event.json())
        except StreamError:
            # A text that ends without its last parts is worse than an error, but these parts may be there already.
            if not is_cut(event.raw) or (named not in {None, TEXT_DELTA} and not self._parts.empty):
                return None
            raise
        type = named or type_of(document)
        if type is not None:
            return self._parts.text(type, document) if type in TYPES else None
        self._told.asked = self._choices.asked
        self._told.add(as_list(document.get("choices")))
        return text_of(document, self._told)


def type_of(document: dict[str, Any]) -> str | None:
    """Return the type of an event of the Responses API whose name was dropped. What has choices is a chunk."""
    type = document.get("type")
    if not isinstance(type, str) or not is_response(type):
        return None
    return type if type.startswith(PREFIX) or not as_list(document.get("choices")) else None


def is_cut(raw: bytes) -> bool:
    """Return whether data that is no JSON begins like it. Any other text is some form of keep-alive."""
    return raw.lstrip()[:1] == b"{"
