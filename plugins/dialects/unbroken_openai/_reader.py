"""Reads the events of one attempt: chunks of Chat Completions, or events of the Responses API."""

from typing import Final, Literal, final

from attrs import define, field

from unbroken.dialect import CONTENT, ERROR, HIDDEN, KEEPALIVE, TERMINAL, USAGE, AttemptView, Kind
from unbroken.errors import StreamError
from unbroken.messages import Event, Summary

from . import _chunks, _responses
from ._choices import Choices
from ._chunks import is_done, plain_kind
from ._failures import failure_in, unwrapped
from ._parts import TYPES, Parts, decode_delta
from ._responses import TEXT_DELTA, is_response
from ._summary import Told
from ._text import decode_plain, text_of

Proof = Literal["finish_reason", "done"]
# The type of an event without a name (WHATWG HTML §9.2.6).
_UNNAMED: Final = "message"
_CREATED: Final = "response.created"
_DONE: Final = TERMINAL | HIDDEN
_ERROR_USAGE: Final = ERROR | USAGE


@final
@define(eq=False)
class OpenAIReader:
    """Tells what each event is, and whose text it has.

    The name of an event of the Responses API decides. Under any other name, or none, the data decides: it is a chunk,
    or an event whose name a proxy has dropped.
    """

    proof: Proof
    call: AttemptView | None = None
    _choices: Choices = field(init=False)
    _parts: Parts = field(factory=Parts, init=False)
    _told: Told = field(factory=Told, init=False)

    def __attrs_post_init__(self) -> None:
        self._choices = Choices(self.call)

    @property
    def quiet(self) -> bool:
        """Return False: no silence is known to be normal."""
        return False

    @property
    def summary(self) -> Summary:
        """The id and the model of the answer, and the finish reasons of its choices."""
        return self._told.summary()

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
                    if self._choices.several and (choice.index or 0) != self._choices.lowest:
                        return None
                    delta, text = choice.delta, choice.text
                    if delta is not None or text is not None:
                        return text if delta is None or delta.content is None else delta.content
        except (ValueError, RecursionError):
            pass
        return self._text_by_data(event)

    def _done(self) -> Kind:
        """``[DONE]`` before the end of every choice reports that the server gave up."""
        return _DONE if self.proof == "done" or self._choices.complete else ERROR

    def _kind_of_response(self, type: str, event: Event) -> Kind:
        kind = _responses.kind_of(type, event.raw)
        if kind & USAGE or type == _CREATED:
            self._told.event(event, ends=type != _CREATED)
        return kind

    def _kind_by_data(self, event: Event) -> Kind:
        raw = event.raw
        if is_done(raw):
            return self._done()
        try:
            document = unwrapped(event.json())
        except StreamError:
            return CONTENT if _is_cut(raw) else KEEPALIVE
        type = document.get("type")
        if isinstance(type, str) and is_response(type):
            return self._kind_of_response(type, event)
        self._told.chunk(document)
        return _ERROR_USAGE if failure_in(document) is not None else _chunks.kind_of(document, self._choices)

    def _text_by_data(self, event: Event) -> str | None:
        named = event.type if event.type != _UNNAMED and is_response(event.type) else None
        if named is not None and named not in TYPES:
            return None
        try:
            document = unwrapped(event.json())
        except StreamError:
            # A text that ends without its last parts is worse than an error, but these parts may be there already.
            if not _is_cut(event.raw) or (named not in {None, TEXT_DELTA} and not self._parts.empty):
                return None
            raise
        type = named or document.get("type")
        if isinstance(type, str) and is_response(type):
            return self._parts.text(type, document) if type in TYPES else None
        return text_of(document, self._choices)


def _is_cut(raw: bytes) -> bool:
    """Return whether data that is no JSON begins like it. Any other text is some form of keep-alive."""
    return raw.lstrip()[:1] == b"{"
