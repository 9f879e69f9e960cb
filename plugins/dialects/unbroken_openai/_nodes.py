"""The objects of a response while their pieces arrive: items of the output, and their parts."""

from collections.abc import Sequence
from typing import Any

from attrs import define, field

from unbroken.error_bodies import as_object

from ._choices import as_list
from ._merging import Text

# An index beyond it is no place in a list: the API has less than a hundred parts.
_MOST_PARTS = 10_000


@define(eq=False, repr=False)
class Node:
    """An object as it was added, and what came since.

    The server's last word counts, but what that leaves empty stays as the pieces were: some servers close with less
    than they sent.
    """

    base: dict[str, Any]
    _texts: dict[str, Text] = field(factory=dict[str, Text], init=False)
    _lists: dict[str, list[Any]] = field(factory=dict[str, list[Any]], init=False)
    _parts: dict[str, dict[int, "Node"]] = field(factory=dict[str, dict[int, "Node"]], init=False)

    @property
    def type(self) -> str:
        """The ``type`` of the object, empty without one."""
        type = self.base.get("type")
        return type if isinstance(type, str) else ""

    def append(self, name: str, piece: str) -> Text:
        """Continue the text of a field. Returns the text."""
        text = self._text(name)
        text.add(piece)
        return text

    def extend(self, name: str, values: Sequence[Any], index: int | None = None) -> None:
        """Continue the list of a field, of which the items are not pieces. What is at `index` is replaced."""
        if name not in self._lists:
            self._lists[name] = [*as_list(self.base.get(name))]
        known = self._lists[name]
        at = len(known) if index is None or not 0 <= index < len(known) else index
        known[at : at + len(values)] = values

    def part(self, name: str, index: int, implied: dict[str, Any]) -> "Node":
        """Return the object at `index` of the list `name`: `implied` if no such object has come."""
        parts = self._parts.get(name)
        if parts is None:
            given = enumerate(as_list(self.base.get(name)))
            parts = {at: Node(as_object(each)) for at, each in given if isinstance(each, dict)}
            self._parts[name] = parts
        index = min(max(index, 0), _MOST_PARTS)
        if index not in parts:
            parts[index] = Node(implied)
        return parts[index]

    def begin(self, given: dict[str, Any]) -> None:
        """Take in what the object was added with; what is known already stays."""
        self.base = {**given, **{name: value for name, value in self.base.items() if _says(value)}}

    def finish(self, given: dict[str, Any]) -> None:
        """Take in the whole object."""
        for name, value in given.items():
            if not _says(value):
                if name not in self.base:
                    self.base = {**self.base, name: value}
            elif name in self._texts and isinstance(value, str):
                self._texts[name] = Text([value])
            elif name in self._parts and isinstance(value, list):
                for index, each in enumerate(as_list(value)):
                    self.part(name, index, {}).finish(as_object(each))
            else:
                self._lists.pop(name, None)
                self.base = {**self.base, name: value}

    def value(self) -> dict[str, Any]:
        """Return the object so far."""
        texts = {name: text.value() for name, text in self._texts.items()}
        lists = {name: [*values] for name, values in self._lists.items()}
        parts = {name: self._joined(name, parts) for name, parts in self._parts.items()}
        return {**self.base, **texts, **lists, **parts}

    def _text(self, name: str) -> Text:
        if name not in self._texts:
            given = self.base.get(name)
            self._texts[name] = Text([given] if isinstance(given, str) else [])
        return self._texts[name]

    def _joined(self, name: str, parts: dict[int, "Node"]) -> list[Any]:
        others = {at: each for at, each in enumerate(as_list(self.base.get(name))) if at not in parts}
        made = {**others, **{at: part.value() for at, part in parts.items()}}
        return [made[at] for at in sorted(made)]


def _says(value: Any) -> bool:
    return value is not None and value not in ("", [], {})
