"""Read the events of one attempt."""

from typing import Any, Final

from attrs import define, field

from unbroken.dialect import CONTENT, ERROR, PREAMBLE, STRUCTURE, TERMINAL, USAGE, Kind
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
_NOTED: Final = CONTENT | STRUCTURE | PREAMBLE | TERMINAL
# The API sends the summary of a compaction in one delta.
_THINKING: Final = frozenset({"thinking", "redacted_thinking", "compaction"})
# A message has a few dozen; of more than these, the others are not waited for.
_MOST_TOOLS: Final = 1024


# Without repr: it would show what the server sent, and stands in the variables of tracebacks.
@define(eq=False, repr=False)
class AnthropicReader:
    """Reads the events of one attempt. Some servers send ``message_start`` again; its text counts once."""

    quiet: bool = field(default=False, init=False)
    """Whether the model thinks or writes the input of a tool, or a tool of the server is at work."""
    _running: set[str] = field(factory=set[str], init=False)
    """The ids of the server's tools whose results have not come."""
    _begun: bool = field(default=False, init=False)
    """Whether a ``message_start`` had text."""
    _id: str | None = field(default=None, init=False)
    """The id of the message."""
    _reason: bool = field(default=False, init=False)
    """Whether a stop reason has come."""
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
        if kind & _NOTED and event.type != _DELTA:
            return self._noted(event, kind)
        return kind

    @property
    def summary(self) -> Summary:
        """The id and the model of the message, and its stop reason."""
        return self._told.summary()

    def _noted(self, event: Event, kind: Kind) -> Kind:
        """Take note of what comes before and behind the deltas. Returns ERROR where that contradicts what came before.

        Silence is normal in thinking, in the input of a tool, and while a tool of the server is at work.
        """
        if kind & TERMINAL:
            return ERROR if self._id is not None and not self._reason else kind
        try:
            document = as_object(data_of(event))
        except StreamError:
            return kind
        name = document.get("type") if event.type == UNNAMED else event.type
        if name == _START:
            return self._note_message(as_object(document.get("message")), kind)
        if name == "message_delta":
            self._reason = self._reason or bool(as_object(document.get("delta")).get("stop_reason"))
        elif name == "content_block_start":
            self._note_block(as_object(document.get("content_block")))
        elif name == "content_block_stop":
            self.quiet = bool(self._running)
        return kind

    def _note_message(self, message: dict[str, Any], kind: Kind) -> Kind:
        id = message.get("id")
        if not isinstance(id, str) or not id:
            return kind
        if self._id not in {None, id}:
            return ERROR
        self._id = id
        self._reason = self._reason or bool(message.get("stop_reason"))
        return kind

    def _note_block(self, block: dict[str, Any]) -> None:
        kind = str(block.get("type"))
        is_tool = kind.endswith("tool_use")
        if is_tool and kind != "tool_use" and len(self._running) < _MOST_TOOLS:
            self._running.add(str(block.get("id")))
        elif kind.endswith("tool_result"):
            self._running.discard(str(block.get("tool_use_id")))
        self.quiet = is_tool or kind in _THINKING

    def text(self, event: Event) -> str | None:
        """Return the text of `event`, as `Anthropic.text` does, but none of a repeated ``message_start``."""
        if event.type == _DELTA or event.type == UNNAMED:  # written out, because it runs for nearly every event
            try:
                delta = decode_delta(event.raw).delta
            except (ValueError, RecursionError):
                text = text_in(event)
            else:
                return delta.text if isinstance(delta, TextDelta) else None
        else:
            text = text_of(event)
        if text and _starts_message(event):
            repeated, self._begun = self._begun, True
            return None if repeated else text
        return text

    def complete_at_end(self) -> bool:
        """Return False: only ``message_stop`` proves that the stream is complete."""
        return False


def _starts_message(event: Event) -> bool:
    return event.type == _START or (event.type == UNNAMED and event.get("type") == _START)
