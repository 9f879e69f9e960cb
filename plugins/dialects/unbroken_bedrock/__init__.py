"""The dialect of Amazon Bedrock: the meaning of its events, errors and headers."""

from ._dialect import Bedrock

__all__ = ["Bedrock"]
