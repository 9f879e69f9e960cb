"""What the events, errors and headers of the OpenAI APIs, and of those that are compatible, mean."""

from ._dialect import OpenAI

__all__ = ["OpenAI"]
