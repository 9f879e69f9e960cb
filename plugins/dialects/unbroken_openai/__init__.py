"""The dialect of the OpenAI APIs and compatible servers: the meaning of their events, errors and headers."""

from ._dialect import OpenAI

__all__ = ["OpenAI"]
