"""One content block while its pieces arrive."""

from typing import Any, cast

import msgspec
from attrs import define, field
from msgspec.structs import replace

from unbroken.error_bodies import as_object

from ._blocks import ContentBlock, PartialToolUseBlock, TextBlock, ThinkingBlock, ToolUseBlock
from ._events import CitationsDelta, ContentDelta, InputJsonDelta, SignatureDelta, TextDelta, ThinkingDelta


@define(eq=False)
class BlockInProgress:
    """A block as it started, and the deltas since. Pieces are joined only when `block` is called."""

    start: ContentBlock
    is_open: bool = True
    takes_input: bool = field(init=False)
    """Whether the block is a tool call, of the user's tool or a server-side one."""
    _pieces: list[str] = field(factory=list[str], init=False)
    _citations: list[dict[str, Any]] = field(factory=list[dict[str, Any]], init=False)
    _signature: str | None = field(default=None, init=False)
    _compaction: dict[str, Any] = field(factory=dict[str, Any], init=False)
    _input: dict[str, Any] | None = field(default=None, init=False)
    _cut: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.takes_input = isinstance(self.start, ToolUseBlock) or _is_tool(self.start)

    @property
    def type(self) -> str:
        """The ``type`` of the block."""
        return str(self.start.get("type")) if isinstance(self.start, dict) else self.start.type

    @property
    def is_known(self) -> bool:
        """Whether the block is of a known type, so that its deltas are known, too."""
        return not isinstance(self.start, dict)

    def add(self, delta: ContentDelta) -> bool:
        """Take `delta` in. Returns whether it belongs to such a block."""
        # Called for every delta: `match` would cost more than all the rest.
        start = self.start
        if isinstance(delta, TextDelta) and isinstance(start, TextBlock):
            self._pieces.append(delta.text)
        elif isinstance(delta, InputJsonDelta) and self.is_open and self.takes_input:
            self._pieces.append(delta.partial_json)
        elif isinstance(delta, ThinkingDelta) and isinstance(start, ThinkingBlock):
            self._pieces.append(delta.thinking)
        elif isinstance(delta, CitationsDelta) and isinstance(start, TextBlock):
            self._citations.append(delta.citation)
        elif isinstance(delta, SignatureDelta) and isinstance(start, ThinkingBlock):
            self._signature = delta.signature
        elif isinstance(delta, dict) and delta.get("type") == "compaction_delta" and self.type == "compaction":
            self._compaction |= {name: it for name, it in delta.items() if name != "type" and it is not None}
        else:
            return False
        return True

    def stop(self) -> str | None:
        """Mark the block as complete. Returns what is wrong with its input, with the position; None if it is right."""
        self.is_open = False
        piece = "".join(self._pieces) if self.takes_input else ""
        if not piece:
            return None
        try:
            value: Any = msgspec.json.decode(piece)
        except (ValueError, RecursionError) as error:
            return f"the input is not JSON: {error}"
        if not isinstance(value, dict):
            return "the input is JSON, but no object (byte 0)"
        self._input = cast("dict[str, Any]", value)
        return None

    def cut(self) -> None:
        """Take a call of which no input has arrived for a partial one: the message was cut off there."""
        self._cut = True

    def block(self) -> ContentBlock:
        """Return the block as far as it has arrived."""
        start, joined = self.start, "".join(self._pieces)
        if isinstance(start, TextBlock):
            return self._text(start, start.text + joined)
        if isinstance(start, ThinkingBlock):
            signature = start.signature if self._signature is None else self._signature
            extra = {name: value for name, value in start.extra.items() if name != "signature" or signature is None}
            return ThinkingBlock(start.thinking + joined, signature, extra=extra)
        if self.takes_input:
            return self._tool(cast("ToolUseBlock | dict[str, Any]", start), joined)
        return {**cast("dict[str, Any]", start), **self._compaction} if self._compaction else start

    def _text(self, start: TextBlock, text: str) -> TextBlock:
        if not self._citations:
            return TextBlock(text, start.citations, extra=start.extra)
        extra = {name: value for name, value in start.extra.items() if name != "citations"}
        return TextBlock(text, (*(start.citations or ()), *self._citations), extra=extra)

    def _tool(self, start: ToolUseBlock | dict[str, Any], joined: str) -> ContentBlock:
        given = (start.get("input") if isinstance(start, dict) else start.input) or {}
        if self._input is None and (self.is_open or joined or (self._cut and not given)):
            return PartialToolUseBlock(start, joined)
        whole = given if self._input is None else self._input
        return {**start, "input": whole} if isinstance(start, dict) else replace(start, input=whole)


def _is_tool(block: ContentBlock) -> bool:
    """Return whether `block`, of an unknown type, is a tool call. Some servers leave its input out, or send null."""
    if not isinstance(block, dict):
        return False
    given = block.get("input")
    return isinstance(given, dict) or (given is None and str(block.get("type")).endswith("tool_use"))


def served_by(block: ContentBlock) -> str | None:
    """Return the model that writes what follows a ``fallback`` block, None for all other blocks."""
    if not isinstance(block, dict) or block.get("type") != "fallback":
        return None
    model = as_object(block.get("to")).get("model")
    return model if isinstance(model, str) else None


def implied(delta: ContentDelta) -> ContentBlock | None:
    """Return the empty block that `delta` implies. None for a tool call: a piece of input does not tell which tool."""
    if isinstance(delta, TextDelta | CitationsDelta):
        return TextBlock("")
    return ThinkingBlock("") if isinstance(delta, ThinkingDelta | SignatureDelta) else None
