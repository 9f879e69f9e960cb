"""The events of the Responses API about tools, sound and images as typed objects.

According to https://developers.openai.com/api/reference/resources/responses/streaming-events.
"""

from typing import Any, ClassVar

from ._response_events import ItemEvent
from ._typed_base import ResponseEvent


class FunctionCallArgumentsDelta(ItemEvent, frozen=True, kw_only=True):
    """A piece of the JSON of the arguments of a function. It is no JSON by itself."""

    type: ClassVar[str] = "response.function_call_arguments.delta"
    delta: str


class FunctionCallArgumentsDone(ItemEvent, frozen=True, kw_only=True):
    """The arguments of a function are whole."""

    type: ClassVar[str] = "response.function_call_arguments.done"
    arguments: str
    name: str | None = None


class CustomToolCallInputDelta(ItemEvent, frozen=True, kw_only=True):
    """A piece of the input of a custom tool."""

    type: ClassVar[str] = "response.custom_tool_call_input.delta"
    delta: str


class CustomToolCallInputDone(ItemEvent, frozen=True, kw_only=True):
    """The input of a custom tool is whole."""

    type: ClassVar[str] = "response.custom_tool_call_input.done"
    input: str


class McpCallArgumentsDelta(ItemEvent, frozen=True, kw_only=True):
    """A piece of the JSON of the arguments of a tool of MCP."""

    type: ClassVar[str] = "response.mcp_call_arguments.delta"
    delta: str


class McpCallArgumentsDone(ItemEvent, frozen=True, kw_only=True):
    """The arguments of a tool of MCP are whole."""

    type: ClassVar[str] = "response.mcp_call_arguments.done"
    arguments: str


class CodeInterpreterCallCodeDelta(ItemEvent, frozen=True, kw_only=True):
    """A piece of the code for the interpreter."""

    type: ClassVar[str] = "response.code_interpreter_call_code.delta"
    delta: str


class CodeInterpreterCallCodeDone(ItemEvent, frozen=True, kw_only=True):
    """The code for the interpreter is whole."""

    type: ClassVar[str] = "response.code_interpreter_call_code.done"
    code: str


class ShellCallCommandAdded(ItemEvent, frozen=True, kw_only=True):
    """A command for the shell begins."""

    type: ClassVar[str] = "response.shell_call_command.added"
    command: str
    command_index: int | None = None


class ShellCallCommandDelta(ItemEvent, frozen=True, kw_only=True):
    """A piece of a command for the shell."""

    type: ClassVar[str] = "response.shell_call_command.delta"
    delta: str
    command_index: int | None = None


class ShellCallCommandDone(ItemEvent, frozen=True, kw_only=True):
    """A command for the shell is whole."""

    type: ClassVar[str] = "response.shell_call_command.done"
    command: str
    command_index: int | None = None


class ShellCallOutputContentDelta(ItemEvent, frozen=True, kw_only=True):
    """A piece of what a command writes."""

    type: ClassVar[str] = "response.shell_call_output_content.delta"
    delta: dict[str, Any]
    command_index: int | None = None


class ShellCallOutputContentDone(ItemEvent, frozen=True, kw_only=True):
    """What a command writes is whole."""

    type: ClassVar[str] = "response.shell_call_output_content.done"
    output: tuple[dict[str, Any], ...]
    command_index: int | None = None


class PartialImage(ItemEvent, frozen=True, kw_only=True):
    """An image that is not finished."""

    type: ClassVar[str] = "response.image_generation_call.partial_image"
    partial_image_b64: str
    """The image in Base64."""
    partial_image_index: int | None = None


class ResponseAudioDelta(ResponseEvent, frozen=True, kw_only=True):
    """A piece of spoken output."""

    type: ClassVar[str] = "response.audio.delta"
    delta: str
    """A piece of the sound in Base64."""


class ResponseAudioDone(ResponseEvent, frozen=True, kw_only=True):
    """The spoken output is whole."""

    type: ClassVar[str] = "response.audio.done"


class ResponseAudioTranscriptDelta(ResponseEvent, frozen=True, kw_only=True):
    """A piece of the words of the spoken output."""

    type: ClassVar[str] = "response.audio.transcript.delta"
    delta: str


class ResponseAudioTranscriptDone(ResponseEvent, frozen=True, kw_only=True):
    """The words of the spoken output are whole."""

    type: ClassVar[str] = "response.audio.transcript.done"
