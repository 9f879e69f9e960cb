"""The choices of one attempt at Chat Completions: which were seen, which are finished, whose text is the text."""

from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec
from attrs import define, field

from unbroken.dialect import AttemptView
from unbroken.error_bodies import as_object

# The API allows 128. Some servers count the tokens in `index`, and there each chunk has another one.
_MOST_INDICES: Final = 1024


class _Asked(msgspec.Struct, gc=False):
    n: int = 1


_decode_asked = msgspec.json.Decoder(_Asked).decode


@define(eq=False)
class Choices:
    """The choices that an attempt has shown so far.

    Several choices are told apart by their index. That is so if the request asks for ``n`` of them, or if one chunk has
    choices of different indices; otherwise there is one choice, and its index means nothing: servers send null, text,
    or the number of the token.
    """

    call: AttemptView | None = None
    several: bool = field(default=False, init=False)
    lowest: int = field(default=0, init=False)
    """The index whose text is the text of the call, if there are several."""
    seen: dict[int, bool] = field(factory=dict[int, bool], init=False)
    """Whether each choice is finished, by its index. It is bounded."""
    quiet: bool = field(default=False, init=False)
    """Whether the last chunk that said something was reasoning or part of a call, after which silence is normal."""
    asked: bool = field(default=False, init=False)
    """Whether the request asks for several."""
    _finished: bool = field(default=False, init=False)

    @property
    def complete(self) -> bool:
        """Whether there was a choice, and each that was seen has a ``finish_reason``."""
        return self._finished and (not self.several or all(self.seen.values()))

    def add(self, choices: Sequence[Any]) -> None:
        """Take note of the choices of one chunk."""
        objects = objects_of(choices)
        if not self.seen and objects:
            self.asked = self.asked or (self.call is not None and _asks_for_several(self.call))
            self.several = self.asked
            self.seen[index_of(objects[0])] = False
        indices = {index_of(choice) for choice in objects}
        if len(indices) > 1 and not self.asked:
            self.lowest = min(indices) if not self.several else min(self.lowest, *indices)
            self.several = True
        for choice in objects:
            finished = bool(choice.get("finish_reason"))
            self._finished = self._finished or finished
            index = index_of(choice)
            self.see(index)
            if finished and index in self.seen:
                self.seen[index] = True

    def see(self, index: int) -> bool:
        """Keep an index, within bounds. Returns False before the first call of `add`, which looks at the request."""
        if self.seen and len(self.seen) < _MOST_INDICES:
            self.seen.setdefault(index, False)
        return bool(self.seen)


def objects_of(choices: Any) -> list[dict[str, Any]]:
    """Return the choices that are objects, none if `choices` is not a list."""
    return [as_object(choice) for choice in as_list(choices) if isinstance(choice, dict)]


def as_list(value: Any) -> Sequence[Any]:
    """Return `value` if it is a list, otherwise an empty sequence."""
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()


def index_of(choice: dict[str, Any]) -> int:
    """Return the index of a choice as a number, 0 if it has none."""
    index = choice.get("index")
    if isinstance(index, str) and index.isascii() and index.isdecimal() and len(index) < 10:
        return int(index)
    return index if type(index) is int else 0


def _asks_for_several(call: AttemptView) -> bool:
    content = call.current.content
    if b'"n"' not in content:
        return False
    try:
        return _decode_asked(content).n > 1
    except (ValueError, RecursionError):
        return False
