"""Where silence of the server is normal."""

from typing import Any, Final

import msgspec
from attrs import define, field

from unbroken.error_bodies import as_object

from ._choices import as_list

ADDED: Final = "response.output_item.added"
DONE: Final = "response.output_item.done"
# The API numbers the items of a response and closes each; what never does is not kept without end.
_MOST_OPEN: Final = 1024
_CALLS: Final = ("tool_calls", "function_call")
_REASONING: Final = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
_THOUGHTS: Final = ("thinking", "reasoning")


class _Item(msgspec.Struct, gc=False):
    id: Any = None
    type: Any = None


class _ItemEvent(msgspec.Struct, gc=False):
    item: _Item
    output_index: Any = None


_decode = msgspec.json.Decoder(_ItemEvent).decode


@define(eq=False)
class OpenItems:
    """The items of a response that are not complete.

    Each item but a message (reasoning, a search, an interpreter, an image, a call of a tool or of MCP) may be silent:
    the API reports how it goes on only in part, or not at all.
    """

    quiet: bool = field(default=False, init=False)
    """Whether the last item that was opened and is not complete may be silent."""
    _open: dict[Any, bool] = field(factory=dict[Any, bool], init=False)

    def note(self, type: str, raw: bytes) -> None:
        """Take note of an event of type `ADDED` or `DONE`. Data that says nothing changes nothing."""
        try:
            event = _decode(raw)
        except (ValueError, RecursionError):
            return
        # Some servers give the same item a new id in each event.
        place = event.output_index if isinstance(event.output_index, int) else None
        key = place if place is not None else event.item.id if isinstance(event.item.id, str) else None
        self._open.pop(key, None)
        if type == ADDED and isinstance(event.item.type, str) and len(self._open) < _MOST_OPEN:
            self._open[key] = event.item.type != "message"
        self.quiet = next(reversed(self._open.values()), False)


def is_at_work(choice: Any) -> bool:
    """Return whether the model thinks or writes a call of a tool, judged by a choice that says something.

    Some servers send the arguments of a call in one piece, and reasoning in summaries; others pause between reasoning
    and text.
    """
    choice = as_object(choice)
    if choice.get("finish_reason"):
        return False
    delta = choice.get("delta")
    said = as_object(delta if isinstance(delta, dict) else choice.get("message"))
    if any(map(said.get, _CALLS)):
        return True
    content = said.get("content")
    if isinstance(content, list) and content:
        return as_object(as_list(content)[-1]).get("type") in _THOUGHTS
    return not content and not choice.get("text") and any(map(said.get, _REASONING))
