"""The events of the Responses API that say how a tool of the server goes on, as typed objects.

According to https://developers.openai.com/api/reference/resources/responses/streaming-events.
"""

from typing import ClassVar

from ._response_events import ItemEvent


class CodeInterpreterCallInProgress(ItemEvent, frozen=True, kw_only=True):
    """A call of the code interpreter begins."""

    type: ClassVar[str] = "response.code_interpreter_call.in_progress"


class CodeInterpreterCallInterpreting(ItemEvent, frozen=True, kw_only=True):
    """A call of the code interpreter runs its code."""

    type: ClassVar[str] = "response.code_interpreter_call.interpreting"


class CodeInterpreterCallCompleted(ItemEvent, frozen=True, kw_only=True):
    """A call of the code interpreter is complete."""

    type: ClassVar[str] = "response.code_interpreter_call.completed"


class FileSearchCallInProgress(ItemEvent, frozen=True, kw_only=True):
    """A search in files begins."""

    type: ClassVar[str] = "response.file_search_call.in_progress"


class FileSearchCallSearching(ItemEvent, frozen=True, kw_only=True):
    """A search in files looks."""

    type: ClassVar[str] = "response.file_search_call.searching"


class FileSearchCallCompleted(ItemEvent, frozen=True, kw_only=True):
    """A search in files is complete."""

    type: ClassVar[str] = "response.file_search_call.completed"


class WebSearchCallInProgress(ItemEvent, frozen=True, kw_only=True):
    """A search in the web begins."""

    type: ClassVar[str] = "response.web_search_call.in_progress"


class WebSearchCallSearching(ItemEvent, frozen=True, kw_only=True):
    """A search in the web looks."""

    type: ClassVar[str] = "response.web_search_call.searching"


class WebSearchCallCompleted(ItemEvent, frozen=True, kw_only=True):
    """A search in the web is complete."""

    type: ClassVar[str] = "response.web_search_call.completed"


class ImageGenerationCallInProgress(ItemEvent, frozen=True, kw_only=True):
    """The making of an image begins."""

    type: ClassVar[str] = "response.image_generation_call.in_progress"


class ImageGenerationCallGenerating(ItemEvent, frozen=True, kw_only=True):
    """The making of an image goes on."""

    type: ClassVar[str] = "response.image_generation_call.generating"


class ImageGenerationCallCompleted(ItemEvent, frozen=True, kw_only=True):
    """The making of an image is complete."""

    type: ClassVar[str] = "response.image_generation_call.completed"


class McpCallInProgress(ItemEvent, frozen=True, kw_only=True):
    """A call of a tool of MCP begins."""

    type: ClassVar[str] = "response.mcp_call.in_progress"


class McpCallCompleted(ItemEvent, frozen=True, kw_only=True):
    """A call of a tool of MCP is complete."""

    type: ClassVar[str] = "response.mcp_call.completed"


class McpCallFailed(ItemEvent, frozen=True, kw_only=True):
    """A call of a tool of MCP failed."""

    type: ClassVar[str] = "response.mcp_call.failed"


class McpListToolsInProgress(ItemEvent, frozen=True, kw_only=True):
    """The listing of the tools of a server of MCP begins."""

    type: ClassVar[str] = "response.mcp_list_tools.in_progress"


class McpListToolsCompleted(ItemEvent, frozen=True, kw_only=True):
    """The listing of the tools of a server of MCP is complete."""

    type: ClassVar[str] = "response.mcp_list_tools.completed"


class McpListToolsFailed(ItemEvent, frozen=True, kw_only=True):
    """The listing of the tools of a server of MCP failed."""

    type: ClassVar[str] = "response.mcp_list_tools.failed"


class CompactionCompacting(ItemEvent, frozen=True, kw_only=True):
    """A compaction is being made."""

    type: ClassVar[str] = "response.compaction.compacting"
