"""The tool calls of a choice while their pieces arrive."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from attrs import define, field

from unbroken.error_bodies import as_object

from ._arguments import Arguments
from ._choices import as_list, index_of
from ._merging import Fields

FUNCTION: Final = "function"
CUSTOM: Final = "custom"
_TEXTS: Final = {FUNCTION: "arguments", CUSTOM: "input"}
"""Under the field that describes a call, the field with the text that arrives in pieces."""
_ORDINARY: Final = {"index", FUNCTION}


@define(eq=False, repr=False)
class CalledTool:
    """What a call says about its tool: its name, once, and its arguments or its input."""

    text: str
    """The name of the field that arrives in pieces."""
    name: str | None = field(default=None, init=False)
    has_text: bool = field(default=False, init=False)
    """Whether that field came."""
    arguments: Arguments = field(factory=Arguments, init=False)
    _named: bool = field(default=False, init=False)
    _rest: Fields = field(factory=Fields, init=False)

    def add(self, given: dict[str, Any]) -> None:
        """Take a piece in."""
        self._named, self.has_text = self._named or "name" in given, self.has_text or self.text in given
        for name, value in given.items():
            if name == "name" and isinstance(value, str):
                self._name(value)
            elif name == self.text and value is not None:
                # An object in place of its JSON is written as the API does.
                self.arguments.add(value if isinstance(value, str) else msgspec.json.encode(value).decode())
            elif name not in {"name", self.text}:
                self._rest.add_field(name, value)

    def value(self) -> dict[str, Any]:
        """Return the object so far."""
        known = {"name": self.name} if self._named else {}
        text = {self.text: self.arguments.value()} if self.has_text else {}
        return {**known, **text, **self._rest.value()}

    def _name(self, piece: str) -> None:
        """Take the name, which some servers repeat in each piece, or send in pieces."""
        known = self.name or ""
        self.name = piece if piece.startswith(known) else known if known.startswith(piece) else known + piece


@define(eq=False, repr=False)
class Call:
    """One tool call."""

    ids: set[str] = field(factory=set[str], init=False)
    """Some servers give each piece another one. The first is the one of the call."""
    _id: str = field(default="", init=False)
    tools: dict[str, CalledTool] = field(factory=dict[str, CalledTool], init=False)
    _rest: Fields = field(factory=Fields, init=False)

    @property
    def name(self) -> str:
        """The name of the tool, empty before it came."""
        return next((tool.name for tool in self.tools.values() if tool.name), "")

    @property
    def is_closed(self) -> bool:
        """Whether the JSON of its arguments has ended, so that nothing can follow."""
        function = self.tools.get(FUNCTION)
        return function is not None and function.arguments.is_closed

    @property
    def has_arguments(self) -> bool:
        """Whether a piece of the arguments has come."""
        return any(not tool.arguments.is_empty for tool in self.tools.values())

    def has(self, arguments: Any) -> bool:
        """Return whether these are the arguments so far."""
        return any(tool.arguments.equals(arguments) for tool in self.tools.values())

    def add(self, given: dict[str, Any]) -> None:
        """Take a piece in."""
        for name, value in given.items():
            if name == "id" and isinstance(value, str):
                self._id = self._id or value
                self.ids.update((value,) if value else ())
            elif name in _TEXTS and isinstance(value, dict):
                tool = self.tools.setdefault(name, CalledTool(_TEXTS[name]))
                tool.add(as_object(value))
            elif name != "index" and not (name in _TEXTS and value is None):
                self._rest.add_field(name, value)

    def value(self) -> dict[str, Any]:
        """Return the call so far: as in a response that is not streamed, so without the index."""
        rest = self._rest.value()
        id = {"id": self._id} if self._id else {}
        return {**rest, **id, **{name: tool.value() for name, tool in self.tools.items()}}


@define(eq=False, repr=False)
class Calls:
    """The tool calls of one choice, by their index.

    Without an index the id tells the calls apart, and a piece without both continues the last. Some servers give all
    calls the same index; others give each piece of one call another id. So a call begins (`_begins`) when the pieces
    before are whole.
    """

    _calls: list[tuple[int, int, Call]] = field(factory=list[tuple[int, int, Call]], init=False)
    """Each with its index and its number in the order of their beginnings."""
    _current: dict[int, Call] = field(factory=dict[int, Call], init=False)
    """The call that pieces of an index continue."""
    _ids: dict[tuple[int | None, str], Call] = field(factory=dict[tuple[int | None, str], Call], init=False)
    _last: Call | None = field(default=None, init=False)

    def add(self, given: Any) -> None:
        """Take in the ``tool_calls`` of a delta. What is no object says nothing."""
        listed = as_list(given)
        if len(listed) == 1 and self._go_on(as_object(listed[0])):
            return
        pieces = [as_object(each) for each in listed if isinstance(each, dict)]
        for place, piece in enumerate(pieces):
            id, index = piece.get("id"), _index(piece)
            if index is None and not id and len(pieces) > 1:
                index = place
            self._last = self._call(index, id if isinstance(id, str) else "", piece)
            self._last.add(piece)

    def faults(self) -> Iterator[str]:
        """Return what is wrong with each call of a function whose arguments are no JSON object."""
        for place, call in enumerate(self._ordered()):
            function = call.tools.get(FUNCTION)
            fault = None if function is None else function.arguments.fault
            if fault is not None:
                yield f"the arguments of tool call {place} are {fault}"

    def value(self) -> list[dict[str, Any]]:
        """Return the calls so far, in the order of their indices."""
        return [call.value() for call in self._ordered()]

    def _go_on(self, piece: dict[str, Any]) -> bool:
        """Take in a piece of the ordinary form: an index, and a function with nothing but more of its arguments."""
        if piece.keys() != _ORDINARY:
            return False
        index, function = piece["index"], as_object(piece[FUNCTION])
        call = self._current.get(index) if type(index) is int else None
        tool = None if call is None else call.tools.get(FUNCTION)
        arguments = function.get("arguments")
        if tool is None or not tool.has_text or len(function) > 1 or not isinstance(arguments, str):
            return False
        tool.arguments.add(arguments)
        self._last = call
        return True

    def _ordered(self) -> list[Call]:
        return [call for _, _, call in sorted(self._calls, key=lambda each: each[:2])]

    def _call(self, index: int | None, id: str, piece: dict[str, Any]) -> Call:
        """Return the call that `piece` continues, or a new one."""
        current = self._last if index is None else self._current.get(index)
        if id:
            current = self._ids.get((index, id), current)
        if current is None or _begins(piece, id, current, is_placed=index is not None):
            current = Call()
            self._calls.append((len(self._calls) if index is None else index, len(self._calls), current))
        if index is not None:
            self._current[index] = current
        if id:
            self._ids.setdefault((index, id), current)
            self._ids.setdefault((None, id), current)
        return current


def _begins(piece: dict[str, Any], id: str, current: Call, *, is_placed: bool) -> bool:
    """Return whether `piece` begins another call than `current`, of the same index or without one."""
    name, arguments = _said(piece)
    if not name or (id and id in current.ids):
        return False
    if id and current.ids:
        return not is_placed or current.is_closed or (not current.has_arguments and name != current.name)
    return bool(arguments) and current.is_closed and not current.has(arguments)


def _said(piece: dict[str, Any]) -> tuple[Any, Any]:
    """Return the name and the arguments in a piece."""
    kind = next((kind for kind in _TEXTS if isinstance(piece.get(kind), dict)), FUNCTION)
    said = as_object(piece.get(kind))
    return said.get("name"), said.get(_TEXTS[kind])


def _index(piece: dict[str, Any]) -> int | None:
    """Return the index of a piece, None if it has none."""
    index = piece.get("index")
    return index_of(piece) if type(index) is int or (isinstance(index, str) and index.isdecimal()) else None
