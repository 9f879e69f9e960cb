"""The choices of a completion while the chunks arrive: by their index, and as one in case that says nothing."""

from typing import Any, Final, TypeAlias

import msgspec
from attrs import define, field

from unbroken.error_bodies import as_object

from ._choice import ChoiceInProgress
from ._choices import Choices, as_list, index_of, objects_of
from ._chunks import says_something
from ._text import text_of

# Several choices are told apart up to as many indices as the reader keeps; those beyond share one.
_MOST_INDICES: Final = 1024

Form: TypeAlias = tuple[str, dict[str, msgspec.Raw], dict[str, msgspec.Raw]]
"""What a chunk of one choice has beside the delta of that, byte by byte: the event's name, its fields, its choice."""

_decode_chunk = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_choices = msgspec.json.Decoder(tuple[dict[str, msgspec.Raw]]).decode
_decode_delta = msgspec.json.Decoder(dict[str, Any]).decode


def form_of(type: str, raw: bytes) -> tuple[Form | None, dict[str, Any]]:
    """Return the form and the delta of a chunk with one choice; no form for any other data."""
    try:
        fields = _decode_chunk(raw)
        (choice,) = _decode_choices(fields.pop("choices"))
        delta = _decode_delta(choice.pop("delta"))
    except (ValueError, RecursionError, KeyError):
        return None, {}
    fields.pop("obfuscation", None)
    return (type, fields, choice), delta


@define(eq=False, repr=False)
class Folds:
    """The choices so far. All of them are folded as one only from the second index on."""

    n: int | None
    told: Choices = field(factory=Choices, init=False)
    by_index: dict[int, ChoiceInProgress] = field(factory=dict[int, ChoiceInProgress], init=False)
    texts: list[str] = field(factory=list[str], init=False)
    """The pieces of the text of the stream."""
    _one: ChoiceInProgress | None = field(default=None, init=False)
    _said: list[str | dict[str, Any]] = field(factory=list[str | dict[str, Any]], init=False)
    """What the only index has said: choices, and of those with nothing but text the text."""
    _last: int | None = field(default=None, init=False)
    _spoke: set[int] = field(factory=set[int], init=False)
    """The indices of choices that said more than a role; `_last` is that of the last one."""
    _returned: set[int] = field(factory=set[int], init=False)
    """The indices that spoke again after another one."""

    def __attrs_post_init__(self) -> None:
        self.told.asked = self.n is not None and self.n > 1

    @property
    def are_several(self) -> bool:
        """Whether the index of a choice tells it from others (`Choices`)."""
        if self.told.several or self.n is not None:
            return self.told.several
        return len(self._returned) > 1 or sum(bool(each.finish_reason) for each in self.by_index.values()) > 1

    @property
    def made(self) -> list[tuple[int, ChoiceInProgress]]:
        """The choices with their indices: 0 for an only one whose index changed."""
        return [(0, self._one)] if self._one is not None and not self.are_several else sorted(self.by_index.items())

    def add(self, document: dict[str, Any]) -> ChoiceInProgress | None:
        """Take in the choices of a chunk. Returns the one that `go_on` may continue, None if there is none."""
        given = as_list(document.get("choices"))
        self.told.add(given)
        if self.told.several:
            self._one = None
            self._said.clear()
        text = text_of(document, self.told)
        if text is not None:
            self.texts.append(text)
        known = [self._add(choice) for choice in objects_of(given)]
        return known[0] if len(given) == 1 and known and self._repeats(as_object(given[0]), known[0]) else None

    def go_on(self, known: ChoiceInProgress, delta: dict[str, Any]) -> bool:
        """Continue the choice of the chunk before by this delta. Returns False if that takes more than its fields."""
        content = delta.get("content")
        if content is not None:
            if not isinstance(content, str):
                return False
            if not self.told.several or known.index == self.told.lowest:
                self.texts.append(content)
        known.go_on(delta)
        if self._one is not None:
            self._one.go_on(delta)
        elif not self.told.several:
            self._said.append({"delta": delta} if content is None or len(delta) > 1 else content)
        return True

    def _add(self, choice: dict[str, Any]) -> ChoiceInProgress:
        index = index_of(choice)
        if index not in self.by_index and len(self.by_index) >= _MOST_INDICES:
            index = min(self.by_index)
        known = self.by_index.get(index)
        if known is None:
            if self.by_index and not self.told.several and self._one is None:
                self._fold_as_one()
            known = self.by_index[index] = ChoiceInProgress(index)
        if says_something(choice):
            if index != self._last and index in self._spoke:
                self._returned.add(index)
            self._spoke.add(index)
            self._last = index
        known.add(choice)
        if self._one is not None:
            self._one.add(choice)
        elif not self.told.several:
            self._said.append(choice)
        return known

    def _fold_as_one(self) -> None:
        self._one = ChoiceInProgress(0)
        for said in self._said:
            self._one.add({"delta": {"content": said}} if isinstance(said, str) else said)
        self._said.clear()

    def _repeats(self, choice: dict[str, Any], known: ChoiceInProgress) -> bool:
        """Return whether the same choice once more, with another delta, changes nothing but what that brings."""
        is_same = self._last == known.index == index_of(choice)
        return is_same and choice.get("logprobs") is None and not isinstance(choice.get("text"), str)
