"""The events of ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html. The models of Amazon send
the same ones in the chunks of InvokeModelWithResponseStream, there with their type as the only name of an object.
"""

from typing import Any, Final, Literal, final

from attrs import define, field

from unbroken.dialect import CONTENT, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE, Kind
from unbroken.error_bodies import as_object

Proof = Literal["metadata", "message_stop"]

DELTA: Final = "contentBlockDelta"
TYPES: Final = ("messageStart", "contentBlockStart", DELTA, "contentBlockStop", "messageStop", "metadata")
_COUNTED: Final = PREAMBLE | USAGE
_END: Final = TERMINAL | USAGE
_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})


# Without repr: it would show what the server sent, and stands in the variables of tracebacks.
@final
@define(eq=False, repr=False)
class Conversation:
    """What the events of one attempt mean."""

    proof: Proof
    quiet: bool = field(default=False, init=False)
    """Whether the model thinks, or writes the input of a tool: some models send that in one piece."""
    reason: str | None = field(default=None, init=False)
    """Why the model stopped; None until it has said it."""
    _counted: bool = field(default=False, init=False)  # whether the metadata came first

    def kind_of(self, type: str, data: dict[str, Any]) -> Kind:
        """Return the kind of an event of `TYPES`; anything else is a keep-alive."""
        match type:
            case "messageStart":
                return PREAMBLE
            case "contentBlockDelta":
                return self._delta(as_object(data.get("delta")))
            case "contentBlockStart":
                self.quiet = bool(as_object(data.get("start")))  # that of a text is empty
                return STRUCTURE
            case "contentBlockStop":
                self.quiet = False
                return STRUCTURE
            case "messageStop":
                return self._stop(data.get("stopReason"))
            case "metadata":
                self._counted = True
                return _COUNTED if self.reason is None else _END
            case _:
                return KEEPALIVE

    def _delta(self, delta: dict[str, Any]) -> Kind:
        said = [name for name, value in delta.items() if _says_anything(value)]
        if not said:
            return KEEPALIVE
        self.quiet = "text" not in said
        return CONTENT

    def _stop(self, reason: Any) -> Kind:
        """A stop needs its reason: without one it proves nothing."""
        if not isinstance(reason, str) or not reason:
            return KEEPALIVE
        self.reason = reason
        return TERMINAL if self.proof == "message_stop" or self._counted else CONTENT


def text_of(data: dict[str, Any]) -> str | None:
    """Return the text of a delta, None without any. Reasoning and the input of a tool are none."""
    text = as_object(data.get("delta")).get("text")
    return text if isinstance(text, str) and text else None


def _says_anything(value: Any) -> bool:
    fields = as_object(value)
    return any(each not in _EMPTY for each in fields.values()) if fields else value not in _EMPTY
