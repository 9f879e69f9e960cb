"""JSON objects that arrive in pieces: texts are joined, lists continued, everything else replaced.

Texts are joined only when `value` is called, so that a long stream takes linear time.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

from attrs import define, field

from ._choices import as_list

# What names or tells something: servers repeat it, and the API sends it whole.
WHOLE: Final = frozenset({"created", "expires_at", "format", "id", "index", "model", "name", "object", "role", "type"})
# Objects in objects that are merged; a deeper one is replaced. The API has two.
_MOST_LEVELS: Final = 6


@define(eq=False, repr=False)
class Text:
    """A text in pieces."""

    pieces: list[str] = field(factory=list[str])

    def add(self, piece: str) -> None:
        """Continue the text."""
        self.pieces.append(piece)

    def value(self) -> str:
        """Return the text so far."""
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""


@define(eq=False, repr=False)
class Fields:
    """A JSON object in pieces."""

    level: int = 0
    _fields: dict[str, Any] = field(factory=dict[str, Any], init=False)

    def add(self, given: dict[str, Any]) -> None:
        """Take the fields of a piece in. A null replaces nothing."""
        for name, value in given.items():
            self.add_field(name, value)

    def add_field(self, name: str, value: Any) -> None:
        """Take one field in: a text or a list continues that of its name."""
        before = self._fields.get(name)
        if before is None:
            self._fields[name] = value if name in WHOLE else _begun(value, self.level)
        elif value is None or (name in WHOLE and value == ""):
            return
        elif isinstance(before, Text) and isinstance(value, str):
            before.add(value)
        elif isinstance(before, Fields) and isinstance(value, dict):
            before.add(cast("dict[str, Any]", value))
        elif isinstance(before, Items) and isinstance(value, list):
            before.add(as_list(value))
        else:
            self._fields[name] = value if name in WHOLE else _begun(value, self.level)

    def value(self) -> dict[str, Any]:
        """Return the object so far, which the caller may change."""
        return {name: plain(value) for name, value in self._fields.items()}


@define(eq=False, repr=False)
class Items:
    """A JSON list in pieces. An object with an ``index`` continues the one of its index and type; others are new."""

    level: int = 0
    _items: list[Any] = field(factory=list[Any], init=False)
    _by_index: dict[tuple[int, Any], Fields] = field(factory=dict[tuple[int, Any], Fields], init=False)

    def add(self, given: Sequence[Any]) -> None:
        """Continue the list."""
        for each in given:
            self._add(each)

    def _add(self, value: Any) -> None:
        item = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        index, kind = item.get("index"), item.get("type")
        if type(index) is not int or self.level >= _MOST_LEVELS or not isinstance(kind, str | None):
            self._items.append(value)
            return
        known = self._by_index.get((index, kind))
        if known is None:
            known = self._by_index[index, kind] = Fields(self.level + 1)
            self._items.append(known)
        known.add(item)

    def value(self) -> list[Any]:
        """Return the list so far, which the caller may change."""
        return [plain(item) for item in self._items]


def plain(value: Any) -> Any:
    """Return `value`, which may be in pieces, as JSON."""
    return value.value() if isinstance(value, Text | Fields | Items) else value


def _begun(value: Any, level: int) -> Any:
    if level >= _MOST_LEVELS:
        return value
    if isinstance(value, str):
        return Text([value])
    if isinstance(value, dict):
        fields = Fields(level + 1)
        fields.add(cast("dict[str, Any]", value))
        return fields
    if isinstance(value, list):
        items = Items(level + 1)
        items.add(as_list(value))
        return items
    return value
