"""Builds the content of an answer from the chunks of its stream."""

from typing import Any, Final, final

from attrs import define, field

from unbroken.errors import StreamError, TruncatedStreamError
from unbroken.messages import Event, Summary, Usage

from ._candidates import Candidates
from ._documents import candidates, documents, failing, index_of, is_cut, is_done, parts
from ._errors import error_of
from ._reader import ERROR_NAME, Proof
from ._summary import Told
from ._usage import counts_of, usage_of

_TEXT_ALONE: Final = frozenset({"text", "thought"})


@final
@define(eq=False)
class ContentBuilder:
    """Builds the content of one answer, as the ``contents`` of the next request need it.

    Parts keep every field, so signatures of thoughts and calls of functions are as the API sent them. Texts that follow
    one another are joined if both are thoughts or both are not. A part with a ``thoughtSignature`` is never joined to
    another, because the API checks the signature against the part that it came with.
    """

    proof: Proof = "finish_reason"
    """What proves the answer complete; see `Gemini.proof`."""
    usage: Usage | None = field(default=None, init=False)
    """The token counts so far."""
    _candidates: Candidates = field(factory=Candidates, init=False)
    _told: Told = field(factory=Told, init=False)
    _parts: list[tuple[int, dict[str, Any]]] = field(factory=list[tuple[int, dict[str, Any]]], init=False)

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return self._candidates.complete if self.proof == "finish_reason" else self._candidates.seen

    @property
    def summary(self) -> Summary:
        """The id and the model of the answer, and why its candidates ended or the prompt was blocked."""
        return self._told.summary()

    def add(self, event: Event) -> None:
        """Add a chunk, or the whole answer of ``generateContent``. Keep-alives change nothing.

        Raises StreamError for a chunk that is not whole, and the error that the event reports.
        """
        try:
            found = documents(event)
        except StreamError:
            if is_done(event.raw) or not is_cut(event.raw):
                return
            raise
        told = failing(found)
        if event.type == ERROR_NAME or told is not None:
            error = error_of(event.raw if told is None else Event.make(ERROR_NAME, told).raw)
            error.request_id = event.request_id or None
            raise error
        for document in found:
            self._chunk(document)

    def snapshot(self) -> dict[str, Any]:
        """Return the content of the first candidate as far as it has arrived: ``{"role": "model", "parts": […]}``."""
        seen = self._candidates
        joined: list[dict[str, Any]] = []
        texts: list[str] = []
        for index, part in self._parts:
            if seen.several and index != seen.lowest:
                continue
            if texts and _joins(joined[-1], part):
                texts.append(part["text"])
                continue
            _close(joined, texts)
            joined.append(dict(part))
            texts = [part["text"]] if _is_text(part) else []
        _close(joined, texts)
        return {"role": "model", "parts": joined}

    def content(self) -> dict[str, Any]:
        """Return the whole content. Raises TruncatedStreamError if a ``finishReason`` is missing."""
        if not self.complete:
            raise TruncatedStreamError("the answer is not complete: there was no finishReason")
        return self.snapshot()

    def _chunk(self, document: dict[str, Any]) -> None:
        self._candidates.add(document)
        self._told.chunk(document)
        counted = usage_of(counts_of(document))
        if counted is not None:
            self.usage = counted if self.usage is None else self.usage.advanced(counted)
        for candidate in candidates(document):
            self._parts += [(index_of(candidate), part) for part in parts(candidate) if _is_kept(part)]


def _is_kept(part: dict[str, Any]) -> bool:
    return any(value for name, value in part.items() if name != "thought")


def _is_text(part: dict[str, Any]) -> bool:
    """Return whether a part is a text, or a text of a thought, and nothing else."""
    names = {name for name, value in part.items() if value is not None}
    return isinstance(part.get("text"), str) and names <= _TEXT_ALONE


def _joins(earlier: dict[str, Any], later: dict[str, Any]) -> bool:
    return _is_text(later) and bool(earlier.get("thought")) == bool(later.get("thought"))


def _close(joined: list[dict[str, Any]], texts: list[str]) -> None:
    if texts:
        joined[-1]["text"] = "".join(texts)
