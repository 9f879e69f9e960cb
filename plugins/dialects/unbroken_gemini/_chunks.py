"""A chunk as an object of its class. Unknown fields are passed over; everything may be missing or null."""

from typing import Any

from msgspec import Struct

Json = dict[str, Any]


class _Chunk(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """The base of all."""


class Blob(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """Bytes of a media type, encoded as base64."""

    mime_type: str | None = None
    data: str | None = None


class FileData(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """A file that is stored elsewhere."""

    mime_type: str | None = None
    file_uri: str | None = None


class FunctionCall(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """A call of a function, whole; with streamed arguments `args` is None and they are in `partial_args`."""

    id: str | None = None
    name: str | None = None
    args: Json | None = None
    partial_args: list[Json] | None = None
    will_continue: bool | None = None


class FunctionResponse(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """The result of a function."""

    id: str | None = None
    name: str | None = None
    response: Json | None = None


class ExecutableCode(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """Code that the model wrote, and that the server runs."""

    language: str | None = None
    code: str | None = None


class CodeExecutionResult(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """What the code printed."""

    outcome: str | None = None
    output: str | None = None


class Part(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """A part of the answer. One of its fields is set; `thought` and `thought_signature` come beside any."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None


class Content(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """The parts that a role says."""

    role: str | None = None
    parts: tuple[Part, ...] | None = None


class Candidate(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """One of the answers, or a piece of it."""

    index: int | None = None
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    token_count: int | None = None
    safety_ratings: list[Json] | None = None
    citation_metadata: Json | None = None
    grounding_metadata: Json | None = None
    url_context_metadata: Json | None = None


class PromptFeedback(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """Why there is no answer."""

    block_reason: str | None = None
    block_reason_message: str | None = None
    safety_ratings: list[Json] | None = None


class UsageMetadata(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """The token counts as the API gives them."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None


class GenerateContentResponse(_Chunk, frozen=True, kw_only=True, rename="camel", gc=False):
    """A chunk of a stream, or a whole answer of ``generateContent``."""

    candidates: tuple[Candidate, ...] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the first candidate."""
        content = self.candidates[0].content if self.candidates else None
        return (content.parts or ()) if content is not None else ()

    @property
    def text(self) -> str:
        """The text of the first candidate, without thoughts."""
        return "".join(part.text for part in self.parts if part.text and not part.thought)

    @property
    def function_calls(self) -> tuple[FunctionCall, ...]:
        """The calls of functions of the first candidate."""
        return tuple(part.function_call for part in self.parts if part.function_call is not None)
