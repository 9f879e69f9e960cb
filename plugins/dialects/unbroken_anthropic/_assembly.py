"""One content block while its pieces arrive."""

from typing import Any, cast

import msgspec
from attrs import define, field
from msgspec.structs import replace

from unbroken import StreamError

from ._blocks import ContentBlock, PartialToolUseBlock, TextBlock, ThinkingBlock, ToolUseBlock
from ._events import CitationsDelta, ContentDelta, InputJsonDelta, SignatureDelta, TextDelta, ThinkingDelta


@define(eq=False)
class BlockInProgress:
    """A block as it started, and the deltas since. Pieces are joined only when `block` is called."""

    start: ContentBlock
    is_open: bool = True
    _pieces: list[str] = field(factory=list[str], init=False)
    _citations: list[dict[str, Any]] = field(factory=list[dict[str, Any]], init=False)
    _signature: str | None = field(default=None, init=False)
    _input: dict[str, Any] | None = field(default=None, init=False)

    @property
    def type(self) -> str:
        """The ``type`` of the block."""
        return str(self.start.get("type")) if isinstance(self.start, dict) else self.start.type

    @property
    def is_known(self) -> bool:
        """Whether the block is of a known type, so that its deltas are known, too."""
        return not isinstance(self.start, dict)

    @property
    def takes_input(self) -> bool:
        """Whether the block is a tool call, of the user's tool or a server-side one."""
        start = self.start
        return isinstance(start, ToolUseBlock) or (isinstance(start, dict) and isinstance(start.get("input"), dict))

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
        else:
            return False
        return True

    def stop(self) -> None:
        """Mark the block as complete. Raises StreamError, with the position, if its input is not a JSON object."""
        self.is_open = False
        piece = "".join(self._pieces) if self.takes_input else ""
        if not piece:
            return
        try:
            value: Any = msgspec.json.decode(piece)
        except (ValueError, RecursionError) as error:
            raise StreamError(f"the input is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise StreamError("the input is JSON, but no object (byte 0)")
        self._input = cast("dict[str, Any]", value)

    def block(self) -> ContentBlock:
        """Return the block as far as it has arrived."""
        start, joined = self.start, "".join(self._pieces)
        if isinstance(start, TextBlock):
            return self._text(start, start.text + joined)
        if isinstance(start, ThinkingBlock):
            signature = start.signature if self._signature is None else self._signature
            extra = {name: value for name, value in start.extra.items() if name != "signature" or signature is None}
            return ThinkingBlock(start.thinking + joined, signature, extra=extra)
        if not self.takes_input or isinstance(start, PartialToolUseBlock):
            return start
        return self._tool(cast("ToolUseBlock | dict[str, Any]", start), joined)

    def _text(self, start: TextBlock, text: str) -> TextBlock:
        if not self._citations:
            return TextBlock(text, start.citations, extra=start.extra)
        extra = {name: value for name, value in start.extra.items() if name != "citations"}
        return TextBlock(text, (*(start.citations or ()), *self._citations), extra=extra)

    def _tool(self, start: ToolUseBlock | dict[str, Any], joined: str) -> ContentBlock:
        if self._input is None:
            return PartialToolUseBlock(start, joined) if self.is_open or joined else start
        return {**start, "input": self._input} if isinstance(start, dict) else replace(start, input=self._input)
