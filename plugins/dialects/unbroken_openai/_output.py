"""What the events of the Responses API bring to the output."""

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from unbroken.error_bodies import as_object, one_line

from ._choices import as_list
from ._items import MESSAGE, REASONING, Item, OutputItems, id_of
from ._merging import Text
from ._places import ANNOTATION, EMPTY, KNOWN, PARTS, SHELL, TEXTS, Place, number, take_shell
from ._silence import ADDED, DONE

# An event with nothing else only says that a tool works.
_SAYS_NOTHING: Final = frozenset({"type", "sequence_number", "output_index", "item_id"})


@define(eq=False, repr=False)
class Output:
    """Takes in the events of items and their parts."""

    tolerate: Callable[[str], None]
    """Called with the reason before an event is used that leaves the output in doubt; may raise."""
    items: OutputItems = field(factory=OutputItems, init=False)
    continued: Text | None = field(default=None, init=False)
    """The text that the event continued, if one more delta like it can only continue the same."""

    def take(self, type: str, document: dict[str, Any]) -> bool:
        """Take in an event. Returns whether it is of use, even if it says nothing."""
        self.continued = None
        stem, _, what = type.rpartition(".")
        if type in (ADDED, DONE):
            item = document.get("item")
            if isinstance(item, dict):  # some servers send an event without one
                (self._added if type == ADDED else self._done)(as_object(item), number(document.get("output_index")))
            return True
        if stem in TEXTS and what in ("delta", "done"):
            return self._text(TEXTS[stem], what, document)
        if stem in PARTS and what in ("added", "done"):
            return self._part(*PARTS[stem], what, document)
        if type == ANNOTATION:
            return self._annotation(document)
        if stem in SHELL:
            return self._shell(SHELL[stem], what, document)
        return document.keys() <= _SAYS_NOTHING

    def _added(self, given: dict[str, Any], place: int | None) -> None:
        id = id_of(given)
        known = self.items.find(id, place) if id is not None or place is not None else None
        if known is None:
            self.items.new(given, id, place)
        elif known.node.base == given:
            return
        elif id is None or not known.ids or id in known.ids:
            self.tolerate(f"item {_shown(id, place)} was added before")
            known.node.begin(given)
            self.items.name(known, id)
        else:
            if known.is_open:
                self.tolerate(f"the place of item {_shown(id, place)} is taken by one that is open")
            self.items.new(given, id, place)

    def _done(self, given: dict[str, Any], place: int | None) -> None:
        id = id_of(given)
        item = self.items.find(id, place) if id is not None or place is not None else None
        if item is not None and item.node.type != given.get("type", item.node.type):
            self.tolerate(f"item {_shown(id, place)} is a {one_line(item.node.type, 40)}")
            item = None
        if item is None or (not item.is_open and id is not None and id not in item.ids):
            item = self.items.new(given, id, place)
        self.items.name(item, id)
        item.finish(given)

    def _text(self, place: Place, what: str, document: dict[str, Any]) -> bool:
        name = "delta" if what == "delta" else place.field
        value = document.get(name)
        if not isinstance(value, str):
            return self._refuse(f"its {name} is no text")
        key = place.field, number(document.get(place.index)) or 0
        count = self.items.count
        item = self._item(document, place.item, key=key)
        node, logprobs = place.node(item, document), as_list(document.get("logprobs"))
        if what == "delta":
            text = node.append(place.field, value)
            if logprobs:
                node.extend("logprobs", logprobs)
            elif value and self.items.count == count:
                self.continued = text
        else:
            item.whole.add(key)
            node.finish({place.field: value, **({"logprobs": [*logprobs]} if logprobs else {})})
        return True

    def _part(self, parts: str, index: str, what: str, document: dict[str, Any]) -> bool:
        if not isinstance(document.get("part"), dict):
            return self._refuse("its part is no object")
        given = as_object(document["part"])
        thought = parts == "summary" or given.get("type") == "reasoning_text"
        item = self._item(document, *((REASONING, MESSAGE) if thought else (MESSAGE, REASONING)))
        node = item.node.part(parts, number(document.get(index)) or 0, {})
        (node.begin if what == "added" else node.finish)(given)
        return True

    def _annotation(self, document: dict[str, Any]) -> bool:
        annotation = document.get("annotation")
        if annotation is not None:
            node = TEXTS["response.output_text"].node(self._item(document, MESSAGE), document)
            node.extend("annotations", [annotation], number(document.get("annotation_index")))
        return True

    def _shell(self, type: str, what: str, document: dict[str, Any]) -> bool:
        return take_shell(self._item(document, type), what, document) or self._refuse("what it brings is no text")

    def _item(self, document: dict[str, Any], *types: str, key: Any = None) -> Item:
        """Return the open item of an event, one of the first of `types` if it was not opened."""
        id, place = document.get("item_id"), number(document.get("output_index"))
        id = id if isinstance(id, str) and id else None
        item = self.items.find(id, place)
        if item is not None and item.node.type not in types and item.node.type in KNOWN:
            self.tolerate(f"item {_shown(id, place)} is a {item.node.type}")
            item = None
        if item is not None and id is not None and id not in item.ids and (key in item.whole or not item.is_open):
            item = None  # the place of an item that is whole was used again
        if item is None or not item.is_open:
            self.tolerate(f"item {_shown(id, place)} is not open")
        if item is None:
            named = {} if id is None else {"id": id}
            item = self.items.new({"type": types[0], **named, **EMPTY.get(types[0], {})}, id, place)
        self.items.name(item, id)
        return item

    def _refuse(self, why: str) -> bool:
        self.tolerate(why)
        return False


def _shown(id: str | None, place: int | None) -> str:
    """Name an item for a message."""
    return str(place) if id is None else one_line(repr(id), 60)
