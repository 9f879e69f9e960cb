"""Reads the events of one attempt: chunks of ``streamGenerateContent``."""

from typing import Any, Final, Literal, final

from attrs import define, field

from unbroken.dialect import CONTENT, ERROR, HIDDEN, KEEPALIVE, STRUCTURE, TERMINAL, USAGE, AttemptView, Kind
from unbroken.errors import StreamError
from unbroken.messages import Event, Summary

from ._candidates import Candidates
from ._documents import candidates, documents, failing, index_of, is_cut, is_done, parts, text_of
from ._plain import Plain, plain_in
from ._summary import Told
from ._usage import counts_of

Proof = Literal["finish_reason", "end"]
ERROR_NAME: Final = "error"
"""The name that a proxy may give to an event that reports a failure; the API's events have none."""
_HIDDEN_END: Final = TERMINAL | HIDDEN
_CONTENT_USAGE: Final = CONTENT | USAGE
_KEEPALIVE_USAGE: Final = KEEPALIVE | USAGE


# Without repr: it would show what the server sent, and stands in the variables of tracebacks.
@final
@define(eq=False, repr=False)
class GeminiReader:
    """Tells what each event is, and whose text it has. The data decides, whatever the name of the event."""

    proof: Proof
    call: AttemptView | None = None
    _candidates: Candidates = field(init=False)
    _told: Candidates = field(init=False)
    """The candidates as far as their text was asked for, which may be later than `classify`."""
    _summary: Told = field(factory=Told, init=False)
    _raw: bytes = field(default=b"", init=False)
    """The data that was read last: the text is mostly asked for right after the kind."""
    _plain: Plain | None = field(default=None, init=False)
    """What `_raw` says if it has the ordinary form."""

    def __attrs_post_init__(self) -> None:
        self._candidates, self._told = Candidates(self.call), Candidates(self.call)

    @property
    def quiet(self) -> bool:
        """Return whether the model thinks, or a tool or its call is at work."""
        return self._candidates.quiet

    @property
    def summary(self) -> Summary:
        """The id and the model of the answer, and why its candidates ended or the prompt was blocked."""
        return self._summary.summary()

    def complete_at_end(self) -> bool:
        """Return whether each candidate that was seen is finished, or the prompt was blocked."""
        return self._candidates.complete if self.proof == "finish_reason" else self._candidates.seen

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event`. Never raises."""
        if self._candidates.seen and event.type != ERROR_NAME:
            plain = self._read(event.raw)
            if plain is not None and self._candidates.knows(plain.index):
                return self._kind_of_plain(plain)
        try:
            found = documents(event)
        except StreamError:
            return self._kind_of_text(event)
        failed = event.type == ERROR_NAME or failing(found) is not None
        kind = ERROR if failed else self._kind_of_chunks(found)
        return kind | USAGE if any(map(counts_of, found)) else kind

    def text(self, event: Event) -> str | None:
        """Return the text of the answer in `event`, None without any. Raises StreamError for a chunk cut in two."""
        if self._told.seen:
            plain = self._read(event.raw)
            if plain is not None:
                return self._text_of_plain(plain)
        try:
            found = documents(event)
        except StreamError:
            if is_done(event.raw) or not is_cut(event.raw):
                return None
            raise
        pieces = [piece for document in found for piece in self._pieces(candidates(document))]
        return "".join(pieces) if pieces else None

    def _read(self, raw: bytes) -> Plain | None:
        if raw is not self._raw:
            self._raw, self._plain = raw, plain_in(raw)
        return self._plain

    def _kind_of_plain(self, plain: Plain) -> Kind:
        self._summary.head(plain.id, plain.model)
        if not plain.text:
            return _KEEPALIVE_USAGE if plain.has_counts else KEEPALIVE
        self._candidates.go_on(plain.index, quiet=plain.is_thought)
        return _CONTENT_USAGE if plain.has_counts else CONTENT

    def _text_of_plain(self, plain: Plain) -> str | None:
        told = self._told
        return None if plain.is_thought or (told.several and plain.index != told.lowest) else plain.text

    def _kind_of_text(self, event: Event) -> Kind:
        if is_done(event.raw):
            return _HIDDEN_END if self.complete_at_end() else ERROR
        if event.type == ERROR_NAME:
            return ERROR
        return CONTENT if is_cut(event.raw) else KEEPALIVE

    def _kind_of_chunks(self, found: list[dict[str, Any]]) -> Kind:
        kind = KEEPALIVE
        for document in found:
            said, finished = self._candidates.add(document)
            self._summary.chunk(document)
            if said:
                kind = CONTENT
            elif finished and kind is KEEPALIVE:
                kind = STRUCTURE
        return kind

    def _pieces(self, found: list[dict[str, Any]]) -> list[str]:
        told = self._told
        told.see(found)
        if not found:
            return []
        lowest = told.lowest if told.several else index_of(found[0])
        spoken = [text_of(part) for each in found if index_of(each) == lowest for part in parts(each)]
        return [text for text in spoken if text is not None]
