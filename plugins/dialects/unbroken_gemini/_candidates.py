"""The candidates of one attempt: which were seen, which are finished, whose text is the text."""

from collections.abc import Sequence
from typing import Any, Final

from attrs import define, field

from unbroken.dialect import AttemptView
from unbroken.error_bodies import as_object, load_json_object

from ._documents import block_reason, candidates, index_of, parts, reason

# The API allows 8. A proxy may count the chunks in `index`.
_MOST_INDICES: Final = 1024
# What a candidate may have in every chunk without anything new in it.
_PLAIN: Final = frozenset({"content", "index", "finishReason", "finishMessage", "safetyRatings", "tokenCount"})
# After these parts the API is silent while the model thinks, a tool of the server runs, or the arguments of a call are
# written, which come in one piece.
_AT_WORK: Final = ("thought", "functionCall", "executableCode", "toolCall")


@define(eq=False)
class Candidates:
    """The candidates that an attempt has shown so far.

    Several candidates are told apart by their index. That is so if the request asks for several, or if one chunk has
    candidates of different indices; otherwise there is one, and its index means nothing.
    """

    call: AttemptView | None = None
    several: bool = field(default=False, init=False)
    lowest: int = field(default=0, init=False)
    """The index whose text is the text of the call, if there are several."""
    quiet: bool = field(default=False, init=False)
    """Whether silence is normal after the last part."""
    _asked: bool = field(default=False, init=False)
    """Whether the request asks for several; then the lowest index is 0."""
    _finished: dict[int, bool] = field(factory=dict[int, bool], init=False)
    """Whether each candidate is finished, by its index. It is bounded."""
    _last: bool = field(default=False, init=False)
    """Whether the only candidate is finished."""
    _blocked: bool = field(default=False, init=False)

    @property
    def seen(self) -> bool:
        """Whether there was a candidate, or the prompt was blocked."""
        return self._blocked or bool(self._finished)

    @property
    def complete(self) -> bool:
        """Whether each candidate that was seen is finished, or the prompt was blocked and there is none."""
        if not self._finished:
            return self._blocked
        return all(self._finished.values()) if self.several else self._last

    def add(self, document: dict[str, Any]) -> tuple[bool, bool]:
        """Take note of a chunk. Returns whether it has part of the answer, and whether it finishes something."""
        found = candidates(document)
        self.see(found)
        said = finished = False
        for candidate in found:
            new, ends = self._note(candidate)
            said, finished = said or new, finished or ends
        if block_reason(document) is not None and not self._blocked:
            self._blocked = finished = True
        return said, finished

    def knows(self, index: int) -> bool:
        """Return whether there was a candidate of this index before."""
        return index in self._finished

    def go_on(self, index: int, *, quiet: bool) -> None:
        """Take note of a part with something in it, of a known candidate that does not end with it."""
        self.quiet = quiet
        self._last = self._finished[index] = False

    def see(self, found: Sequence[dict[str, Any]]) -> None:
        """Decide whether there are several, and which is the lowest."""
        if not found:
            return
        indices = {index_of(candidate) for candidate in found}
        if not self._finished:
            self._asked = self.several = self.call is not None and _asks_for_several(self.call)
        if len(indices) > 1 and not self._asked:
            self.lowest = min(self.lowest, *indices) if self.several else min(indices)
            self.several = True
        for index in indices:
            if len(self._finished) < _MOST_INDICES:
                self._finished.setdefault(index, False)

    def _note(self, candidate: dict[str, Any]) -> tuple[bool, bool]:
        index, speaking = index_of(candidate), [part for part in parts(candidate) if _says_something(part)]
        ends = reason(candidate.get("finishReason")) is not None
        before = self._finished.get(index, False) if self.several else self._last
        if speaking:
            self.quiet = not ends and any(map(speaking[-1].get, _AT_WORK))
        elif ends:
            self.quiet = False
        if ends or speaking:
            # A proxy may finish a candidate that goes on, even before its first part: the last word counts.
            self._last = ends
            if index in self._finished:
                self._finished[index] = ends
        beside = any(value and name not in _PLAIN for name, value in candidate.items())
        return bool(speaking) or beside, ends and not before


def _says_something(part: dict[str, Any]) -> bool:
    return any(value for name, value in part.items() if name != "thought")


def _asks_for_several(call: AttemptView) -> bool:
    content = call.current.content
    if b'"candidate' not in content:
        return False
    document = load_json_object(content) or {}
    config = as_object(document.get("generationConfig")) or as_object(document.get("generation_config"))
    count = config.get("candidateCount", config.get("candidate_count"))
    return type(count) is int and count > 1
