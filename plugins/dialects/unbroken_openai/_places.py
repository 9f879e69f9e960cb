"""Where in an item the events of the Responses API put what they bring."""

from typing import Any, Final

from attrs import frozen

from unbroken.error_bodies import as_object

from ._choices import as_list
from ._items import MESSAGE, REASONING, Item
from ._merging import Text
from ._nodes import Node

_CONTENT: Final = ("content", "content_index")
_SUMMARY: Final = ("summary", "summary_index")


@frozen
class Place:
    """The field of a text in an item, or in one of its parts."""

    item: str
    """The type of the item."""
    field: str
    list: str = ""
    """The list of the parts; empty if the field is the item's own."""
    index: str = ""
    """The field of the event with the index in the list."""
    part: str = ""
    """The type of the part."""

    def node(self, item: Item, document: dict[str, Any]) -> Node:
        """Return the object that has the field."""
        if not self.list:
            return item.node
        implied: dict[str, Any] = {"type": self.part}
        if self.part == "output_text":
            implied["annotations"] = []
        return item.node.part(self.list, number(document.get(self.index)) or 0, implied)


TEXTS: Final[dict[str, Place]] = {
    "response.output_text": Place(MESSAGE, "text", *_CONTENT, "output_text"),
    "response.refusal": Place(MESSAGE, "refusal", *_CONTENT, "refusal"),
    "response.reasoning_text": Place(REASONING, "text", *_CONTENT, "reasoning_text"),
    "response.reasoning_summary_text": Place(REASONING, "text", *_SUMMARY, "summary_text"),
    "response.function_call_arguments": Place("function_call", "arguments"),
    "response.mcp_call_arguments": Place("mcp_call", "arguments"),
    "response.custom_tool_call_input": Place("custom_tool_call", "input"),
    "response.code_interpreter_call_code": Place("code_interpreter_call", "code"),
}
"""The texts that arrive in events ``.delta`` and, whole, ``.done``."""
PARTS: Final[dict[str, tuple[str, str]]] = {
    "response.content_part": _CONTENT,
    "response.reasoning_summary_part": _SUMMARY,
}
"""The parts that begin with ``.added`` and are whole with ``.done``."""
ANNOTATION: Final = "response.output_text.annotation.added"
SHELL: Final = {
    "response.shell_call_command": "shell_call",
    "response.shell_call_output_content": "shell_call_output",
}
"""The events of the shell, with the type of their items."""
KNOWN: Final = frozenset({MESSAGE, *SHELL.values(), *(place.item for place in TEXTS.values())})
EMPTY: Final[dict[str, dict[str, Any]]] = {
    MESSAGE: {"role": "assistant", "content": []},
    REASONING: {"summary": []},
}
"""What an item has of which no ``response.output_item.added`` came."""


def take_shell(item: Item, what: str, document: dict[str, Any]) -> bool:
    """Take in an event of the shell. Returns whether it has what such an event has."""
    index = number(document.get("command_index")) or 0
    if item.node.type == "shell_call":
        value = document.get("delta" if what == "delta" else "command")
        if not isinstance(value, str):
            return False
        if what == "delta":
            item.commands.setdefault(index, Text()).add(value)
        else:
            item.commands[index] = Text([value])
        return True
    if what == "delta":
        output = item.node.part("output", index, {})
        said = {name: text for name, text in as_object(document.get("delta")).items() if isinstance(text, str)}
        for name, text in said.items():
            output.append(name, text)
        return bool(said)
    for place, each in enumerate(as_list(document.get("output"))):
        item.node.part("output", index + place, {}).finish(as_object(each))
    return isinstance(document.get("output"), list)


def number(value: Any) -> int | None:
    """Return `value` if it is an index."""
    return value if type(value) is int else None
