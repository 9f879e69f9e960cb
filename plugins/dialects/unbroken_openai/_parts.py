"""The text of the Responses API: each part of the output once, wherever it comes."""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from attrs import define, field

from unbroken.error_bodies import as_object

from ._choices import as_list
from ._responses import TEXT_DELTA, TEXT_DONE

_PARTS: Final = frozenset({"response.content_part.added", "response.content_part.done"})
_ITEMS: Final = frozenset({"response.output_item.added", "response.output_item.done"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.done"})
REPEATS: Final = frozenset({TEXT_DONE}) | _PARTS | _ITEMS | _ENDS
"""The types of events that have the text of deltas once more."""
TYPES: Final = REPEATS | {TEXT_DELTA}
"""The types of events that may have text."""
_TEXTS: Final = frozenset({"output_text", "text"})


class TextDelta(msgspec.Struct, gc=False):
    """The data of an event of type `TEXT_DELTA`."""

    delta: str
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None


decode_delta: Final = msgspec.json.Decoder(TextDelta).decode


@define(eq=False)
class Parts:
    """The parts of the output whose text the consumer has had.

    A part is known by the id of its item and by its place in that. An item whose id was never seen is known by its
    place in the output, because some servers give the same item a new id in each event. Of text that came without id
    and place only the number of the part is known, if that.
    """

    empty: bool = field(default=True, init=False)
    """Whether there was no text so far."""
    _ids: set[str] = field(factory=set[str], init=False)
    _had: set[tuple[str, int]] = field(factory=set[tuple[str, int]], init=False)
    _places: dict[tuple[int, int], str | None] = field(factory=dict[tuple[int, int], str | None], init=False)
    _anonymous: set[int | None] = field(factory=set[int | None], init=False)
    _last: tuple[str | None, int | None, int | None] | None = field(default=None, init=False)
    """The part of the last delta."""

    def delta(self, event: TextDelta) -> str:
        """Return the text of a delta, which is always new."""
        part = event.item_id, event.output_index, event.content_index
        if part != self._last and event.delta:
            self._last = part
            self._take(event.item_id, event.output_index, event.content_index)
        return event.delta

    def text(self, type: str, document: dict[str, Any]) -> str | None:
        """Return the text in an event that is not a delta, as far as the consumer has not had it."""
        if type == TEXT_DELTA:
            delta = document.get("delta")
            return self.delta(_delta_of(document, delta)) if isinstance(delta, str) else None
        if type in _ENDS:
            return self._output(as_object(document.get("response")).get("output"))
        item, place = _text(document.get("item_id")), _number(document.get("output_index"))
        if type in _ITEMS:
            return _joined(self._item(document.get("item"), place))
        part = {"type": "output_text", "text": document.get("text")} if type == TEXT_DONE else document.get("part")
        return _joined([self._part(part, item, place, _number(document.get("content_index")))])

    def _output(self, output: Any) -> str | None:
        items = as_list(output)
        ids = {id for item in items if (id := _text(as_object(item).get("id"))) is not None}
        return _joined([piece for place, item in enumerate(items) for piece in self._item(item, place, ids)])

    def _item(self, value: Any, place: int | None, others: Collection[str] = ()) -> list[str | None]:
        item = as_object(value)
        if item.get("type", "message") != "message":
            return []
        id = _text(item.get("id"))
        parts = enumerate(as_list(item.get("content")))
        return [self._part(part, id, place, number, others) for number, part in parts]

    def _part(
        self, value: Any, item: str | None, place: int | None, number: int | None, others: Collection[str] = ()
    ) -> str | None:
        part = as_object(value)
        text = part.get("text")
        if _text(part.get("type")) not in _TEXTS or not isinstance(text, str) or not text:
            return None
        if self._was_had(item, place, number or 0, others):
            return None
        self._take(item, place, number)
        return text

    def _was_had(self, item: str | None, place: int | None, number: int, others: Collection[str]) -> bool:
        if None in self._anonymous or number in self._anonymous:
            return True
        if item is not None and (item, number) in self._had:
            return True
        if place is None or item in self._ids or (place, number) not in self._places:
            return False
        # In the list of the whole output the place of an item that is there under its own id says nothing.
        return self._places[place, number] not in others

    def _take(self, item: str | None, place: int | None, number: int | None) -> None:
        self.empty = False
        if item is None and place is None:
            self._anonymous.add(number)
        if item is not None:
            self._ids.add(item)
            self._had.add((item, number or 0))
        if place is not None:
            self._places.setdefault((place, number or 0), item)


def _delta_of(document: dict[str, Any], delta: str) -> TextDelta:
    place, number = _number(document.get("output_index")), _number(document.get("content_index"))
    return TextDelta(delta, _text(document.get("item_id")), place, number)


def _joined(pieces: list[str | None]) -> str | None:
    return "".join(piece for piece in pieces if piece) or None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    return value if type(value) is int else None
