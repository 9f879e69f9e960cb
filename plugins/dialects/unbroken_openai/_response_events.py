"""The events of the Responses API as typed objects: its states, items, parts and texts.

According to https://developers.openai.com/api/reference/resources/responses/streaming-events.
"""

from typing import Any, ClassVar

from ._typed_base import ResponseEvent


class ItemEvent(ResponseEvent, frozen=True, kw_only=True):
    """Base of the events of one item of the output."""

    item_id: str | None = None
    output_index: int | None = None
    """The place of the item in the output."""


class _WithResponse(ResponseEvent, frozen=True, kw_only=True):
    """An event with the response as it is now."""

    response: dict[str, Any]
    """The JSON object of the response."""


class ResponseCreated(_WithResponse, frozen=True, kw_only=True):
    """A response begins."""

    type: ClassVar[str] = "response.created"


class ResponseQueued(_WithResponse, frozen=True, kw_only=True):
    """The response waits for its turn."""

    type: ClassVar[str] = "response.queued"


class ResponseInProgress(_WithResponse, frozen=True, kw_only=True):
    """The model works."""

    type: ClassVar[str] = "response.in_progress"


class ResponseCompleted(_WithResponse, frozen=True, kw_only=True):
    """The response is whole."""

    type: ClassVar[str] = "response.completed"


class ResponseIncomplete(_WithResponse, frozen=True, kw_only=True):
    """The response ends before it is whole, for the reason in its ``incomplete_details``."""

    type: ClassVar[str] = "response.incomplete"


class ResponseFailed(_WithResponse, frozen=True, kw_only=True):
    """The response failed. From a client's stream it is raised as an error, so it does not come as an event."""

    type: ClassVar[str] = "response.failed"


class ErrorEvent(ResponseEvent, frozen=True, kw_only=True):
    """The server failed. From a client's stream it is raised as an error, so it does not come as an event."""

    type: ClassVar[str] = "error"
    code: str | int | None = None
    message: str | None = None
    param: str | None = None


class OutputItemAdded(ResponseEvent, frozen=True, kw_only=True):
    """An item of the output begins."""

    type: ClassVar[str] = "response.output_item.added"
    item: dict[str, Any]
    output_index: int | None = None


class OutputItemDone(ResponseEvent, frozen=True, kw_only=True):
    """An item of the output is whole."""

    type: ClassVar[str] = "response.output_item.done"
    item: dict[str, Any]
    output_index: int | None = None


class ContentPartAdded(ItemEvent, frozen=True, kw_only=True):
    """A part of an item begins."""

    type: ClassVar[str] = "response.content_part.added"
    part: dict[str, Any]
    content_index: int | None = None


class ContentPartDone(ItemEvent, frozen=True, kw_only=True):
    """A part of an item is whole."""

    type: ClassVar[str] = "response.content_part.done"
    part: dict[str, Any]
    content_index: int | None = None


class OutputTextDelta(ItemEvent, frozen=True, kw_only=True):
    """A piece of text."""

    type: ClassVar[str] = "response.output_text.delta"
    delta: str
    content_index: int | None = None
    logprobs: tuple[dict[str, Any], ...] | None = None


class OutputTextDone(ItemEvent, frozen=True, kw_only=True):
    """A text is whole."""

    type: ClassVar[str] = "response.output_text.done"
    text: str
    content_index: int | None = None
    logprobs: tuple[dict[str, Any], ...] | None = None


class OutputTextAnnotationAdded(ItemEvent, frozen=True, kw_only=True):
    """An annotation of a text, such as a citation."""

    type: ClassVar[str] = "response.output_text.annotation.added"
    annotation: dict[str, Any] | None = None
    annotation_index: int | None = None
    content_index: int | None = None


class RefusalDelta(ItemEvent, frozen=True, kw_only=True):
    """A piece of a refusal."""

    type: ClassVar[str] = "response.refusal.delta"
    delta: str
    content_index: int | None = None


class RefusalDone(ItemEvent, frozen=True, kw_only=True):
    """A refusal is whole."""

    type: ClassVar[str] = "response.refusal.done"
    refusal: str
    content_index: int | None = None


class ReasoningTextDelta(ItemEvent, frozen=True, kw_only=True):
    """A piece of reasoning."""

    type: ClassVar[str] = "response.reasoning_text.delta"
    delta: str
    content_index: int | None = None


class ReasoningTextDone(ItemEvent, frozen=True, kw_only=True):
    """A text of reasoning is whole."""

    type: ClassVar[str] = "response.reasoning_text.done"
    text: str
    content_index: int | None = None


class ReasoningSummaryPartAdded(ItemEvent, frozen=True, kw_only=True):
    """A part of the summary of reasoning begins."""

    type: ClassVar[str] = "response.reasoning_summary_part.added"
    part: dict[str, Any]
    summary_index: int | None = None


class ReasoningSummaryPartDone(ItemEvent, frozen=True, kw_only=True):
    """A part of the summary of reasoning is whole."""

    type: ClassVar[str] = "response.reasoning_summary_part.done"
    part: dict[str, Any]
    summary_index: int | None = None
    status: str | None = None


class ReasoningSummaryTextDelta(ItemEvent, frozen=True, kw_only=True):
    """A piece of the summary of reasoning."""

    type: ClassVar[str] = "response.reasoning_summary_text.delta"
    delta: str
    summary_index: int | None = None


class ReasoningSummaryTextDone(ItemEvent, frozen=True, kw_only=True):
    """A text of the summary of reasoning is whole."""

    type: ClassVar[str] = "response.reasoning_summary_text.done"
    text: str
    summary_index: int | None = None
