"""The dialect of the Gemini API and Vertex AI: the meaning of their chunks, errors and token counts."""

from ._builder import ContentBuilder
from ._chunks import (
    Blob,
    Candidate,
    CodeExecutionResult,
    Content,
    ExecutableCode,
    FileData,
    FunctionCall,
    FunctionResponse,
    GenerateContentResponse,
    Part,
    PromptFeedback,
    UsageMetadata,
)
from ._dialect import Gemini

__all__ = [
    "Blob",
    "Candidate",
    "CodeExecutionResult",
    "Content",
    "ContentBuilder",
    "ExecutableCode",
    "FileData",
    "FunctionCall",
    "FunctionResponse",
    "Gemini",
    "GenerateContentResponse",
    "Part",
    "PromptFeedback",
    "UsageMetadata",
]
