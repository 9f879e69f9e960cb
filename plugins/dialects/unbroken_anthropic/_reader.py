"""Read the events of one attempt."""

from typing import Final

from attrs import define, field

from unbroken.dialect import CONTENT, STRUCTURE, USAGE, Kind
from unbroken.error_bodies import as_object
from unbroken.errors import StreamError
from unbroken.messages import Event, Summary

from ._documents import UNNAMED, data_of, text_in
from ._events import TextDelta
from ._kinds import full_delta, kind_of
from ._summary import Told
from ._typed import decode_delta, text_of

_DELTA: Final = "content_block_delta"
_START: Final = "message_start"
_BLOCK: Final = CONTENT | STRUCTURE
_THINKING: Final = frozenset({"thinking", "redacted_thinking"})


@define(eq=False)
class AnthropicReader:
    """Reads the events of one attempt. Some servers send ``message_start`` twice; its text counts once."""

    quiet: bool = field(default=False, init=False)
    _runs: bool = field(default=False, init=False)
    """Whether the last block is the call of a server's tool."""
    _started: bool = field(default=False, init=False)
    _head: bytes = field(default=b"\0", init=False)
    """How the last delta began, up to the first character of its text."""
    _size: int = field(default=1, init=False)
    _told: Told = field(factory=Told, init=False)

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event`, as `Anthropic.classify` does. A delta that begins like the last is content."""
        if event.type == _DELTA:
            raw, size = event.raw, self._size
            if raw[:size] == self._head and raw[size : size + 1] != b'"':
                return CONTENT
            full = full_delta(raw)
            if full is not None:
                self._size = full.end() - 1
                self._head = raw[: self._size]
                return CONTENT
        kind = kind_of(event)
        if kind & USAGE:
            self._told.keep(event)
        if kind & _BLOCK and event.type != _DELTA:
            self._note(event)
        return kind

    @property
    def summary(self) -> Summary:
        """The id and the model of the message, and its stop reason."""
        return self._told.summary()

    def _note(self, event: Event) -> None:
        """Note where silence is normal: in thinking, in the input of a tool, and while a server's tool runs."""
        try:
            document = as_object(data_of(event))
        except StreamError:
            return
        name = document.get("type") if event.type == UNNAMED else event.type
        if name == "content_block_start":
            kind = str(as_object(document.get("content_block")).get("type"))
            is_tool = kind.endswith("tool_use")
            self.quiet = is_tool or kind in _THINKING
            self._runs = is_tool and kind != "tool_use"
        elif name == "content_block_stop":
            self.quiet = self._runs

    def text(self, event: Event) -> str | None:
        """Return the text of `event`, as `Anthropic.text` does, but none of a repeated ``message_start``."""
        if event.type == _DELTA:  # written out, because it runs for nearly every event
            try:
                delta = decode_delta(event.raw).delta
            except (ValueError, RecursionError):
                return text_in(event)
            return delta.text if isinstance(delta, TextDelta) else None
        if _starts_message(event):
            repeated, self._started = self._started, True
            if repeated:
                return None
        return text_of(event)

    def complete_at_end(self) -> bool:
        """Return False: only ``message_stop`` proves that the stream is complete."""
        return False


def _starts_message(event: Event) -> bool:
    if event.type != UNNAMED or b"message_start" not in event.raw:
        return event.type == _START
    try:
        data = data_of(event)
    except StreamError:
        return False
    return as_object(data).get("type") == _START
