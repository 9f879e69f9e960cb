"""The arguments of a tool call while their pieces arrive."""

import re
from typing import Any, Final

import msgspec
from attrs import define, field

_MARKS: Final = re.compile(r'["\\{}\[\]]')


@define(eq=False, repr=False)
class Arguments:
    """Text that is to become a JSON object."""

    _pieces: list[str] = field(factory=list[str], init=False)
    _length: int = field(default=0, init=False)
    _scanned: int = field(default=0, init=False)
    """How many pieces `is_closed` has looked at: each is looked at once."""
    _depth: int = field(default=0, init=False)
    _in_text: bool = field(default=False, init=False)
    _escaped: bool = field(default=False, init=False)
    _closed: bool = field(default=False, init=False)

    def add(self, piece: str) -> None:
        """Take a piece in. Some servers send the whole once more at the end: that is no piece."""
        if piece and not (self.equals(piece) and self.is_closed):
            self._pieces.append(piece)
            self._length += len(piece)

    def value(self) -> str:
        """Return the text so far."""
        return "".join(self._pieces)

    @property
    def is_empty(self) -> bool:
        """Whether there is no text so far."""
        return not self._length

    def equals(self, text: Any) -> bool:
        """Return whether this is the text so far. Takes the time of reading `text`."""
        return isinstance(text, str) and len(text) == self._length and text == self.value()

    @property
    def is_closed(self) -> bool:
        """Whether the object that the text begins with has ended."""
        for piece in self._pieces[self._scanned :]:
            self._scan(piece)
        self._scanned = len(self._pieces)
        return self._closed

    @property
    def fault(self) -> str | None:
        """What is wrong with the arguments, with the position; None if they are a JSON object, or empty."""
        return fault_of(self.value())

    def _scan(self, piece: str) -> None:
        at = 0
        for mark in _MARKS.finditer(piece):
            self._escaped = self._escaped and mark.start() == at
            at = mark.end()
            self._mark(mark.group())
        self._escaped = self._escaped and at == len(piece)

    def _mark(self, mark: str) -> None:
        if self._in_text:
            escaped, self._escaped = self._escaped, mark == "\\" and not self._escaped
            self._in_text = mark != '"' or escaped
        elif mark == '"':
            self._in_text = True
        elif mark != "\\":
            self._depth += 1 if mark in "{[" else -1
            self._closed = self._closed or self._depth == 0


def fault_of(arguments: str) -> str | None:
    """Return what is wrong with the arguments of a call, with the position; None for a JSON object or nothing."""
    if not arguments or arguments.isspace():
        return None
    try:
        value: Any = msgspec.json.decode(arguments)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return None if isinstance(value, dict) else "JSON, but no object (byte 0)"
