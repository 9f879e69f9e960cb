"""The OpenAI APIs and compatible servers: the dialect, and the builders of completions and responses."""

from ._completion_builder import CompletionBuilder
from ._dialect import OpenAI
from ._response_builder import ResponseBuilder

__all__ = ["CompletionBuilder", "OpenAI", "ResponseBuilder"]
