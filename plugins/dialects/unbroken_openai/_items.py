"""The items of the output of a response while their pieces arrive."""

from typing import Any, Final

from attrs import define, field

from unbroken.error_bodies import as_object

from ._choices import as_list
from ._merging import Text
from ._nodes import Node

MESSAGE: Final = "message"
REASONING: Final = "reasoning"


@define(eq=False, repr=False)
class Item:
    """One item, with the place in the output that the server gave it."""

    node: Node
    place: int | None
    number: int
    """In the order in which the items came."""
    is_open: bool = True
    ids: set[str] = field(factory=set[str], init=False)
    """Some servers give the same item a new id in each event."""
    whole: set[Any] = field(factory=set[Any], init=False)
    """The texts of which a ``.done`` has come."""
    commands: dict[int, Text] = field(factory=dict[int, Text], init=False)
    """Those of a call of the shell, until the item is whole."""

    def finish(self, given: dict[str, Any]) -> None:
        """Take in the whole item."""
        self.node.finish(given)
        self.is_open = False
        if as_object(given.get("action")).get("commands"):
            self.commands.clear()

    def value(self) -> dict[str, Any]:
        """Return the item so far."""
        made = self.node.value()
        if self.commands:
            commands = [self.commands[index].value() for index in sorted(self.commands)]
            made["action"] = {**as_object(made.get("action")), "commands": commands}
        return made


@define(eq=False, repr=False)
class OutputItems:
    """The items, found by their id or, with an unknown id, by their place."""

    _items: list[Item] = field(factory=list[Item], init=False)
    _ids: dict[str, Item] = field(factory=dict[str, Item], init=False)
    _places: dict[int, Item] = field(factory=dict[int, Item], init=False)
    _whole: list[Any] | None = field(default=None, init=False)
    """The output after its end: items, and what else the server put there."""

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(self._items)

    @property
    def last(self) -> Item | None:
        """The item that came last."""
        return self._items[-1] if self._items else None

    def find(self, id: str | None, place: int | None) -> Item | None:
        """Return the item of an event; without id and place the last one."""
        known = self._ids.get(id) if id is not None else None
        if known is not None:
            return known
        if place is not None:
            return self._places.get(place)
        return self.last if id is None else None

    def new(self, given: dict[str, Any], id: str | None, place: int | None) -> Item:
        """Add an item."""
        item = Item(Node(given), place, len(self._items))
        self._items.append(item)
        if place is not None:
            self._places[place] = item
        self.name(item, id)
        return item

    def name(self, item: Item, id: str | None) -> None:
        """Note an id of an item."""
        if id is not None:
            item.ids.add(id)
            self._ids.setdefault(id, item)

    def finish(self, output: Any) -> None:
        """Take in the whole output that the last event has. What the items have and it has not stays."""
        listed = [as_object(each) or each for each in as_list(output)]
        ids = {id for each in listed if (id := id_of(as_object(each))) is not None}
        anonymous = [item for item in reversed(self._items) if not item.ids and item.place is None]
        rest = {item.number: item for item in self._ordered()}
        whole: list[Any] = []
        for place, each in enumerate(listed):
            item = self._finished(as_object(each), place, ids, anonymous)
            if item is not None and rest.pop(item.number, None) is not None:
                item.finish(as_object(each))
                whole.append(item)
            else:
                whole.append(each)
        for item in rest.values():
            whole.insert(len(whole) if item.place is None else min(max(item.place, 0), len(whole)), item)
        self._whole = whole

    def value(self) -> list[Any]:
        """Return the items so far, in the order of their places or of the whole output."""
        items = self._ordered() if self._whole is None else self._whole
        return [item.value() if isinstance(item, Item) else item for item in items]

    def _ordered(self) -> list[Item]:
        """Return the items by their places; one without follows the one that came before it."""
        place, keyed = -1, list[tuple[int, int, Item]]()
        for number, item in enumerate(self._items):
            place = place if item.place is None else item.place
            keyed.append((place, number, item))
        return [item for _, _, item in sorted(keyed, key=lambda each: each[:2])]

    def _finished(self, given: dict[str, Any], place: int, ids: set[str], anonymous: list[Item]) -> Item | None:
        """Return the item that `given`, at `place` of the whole output, is. `anonymous` has the first one last."""
        type, item = given.get("type", MESSAGE), self._ids.get(id_of(given) or "")
        if item is None:
            item = self._places.get(place)
            # At this place an item that is in the output under its own id says nothing.
            item = None if item is not None and item.ids & ids else item
        if item is None and anonymous and anonymous[-1].node.type == type:
            item = anonymous.pop()
        return item if item is not None and item.node.type == type else None


def id_of(item: dict[str, Any]) -> str | None:
    """Return the id of an item, None if it has none."""
    id = item.get("id")
    return id if isinstance(id, str) and id else None
