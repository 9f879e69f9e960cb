"""What the events, errors and headers of the Anthropic Messages API mean."""

from ._dialect import Anthropic

__all__ = ["Anthropic"]
