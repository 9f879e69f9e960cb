"""The count of tokens of the Anthropic Messages API, which is never streamed."""

from typing import ClassVar

from ._anthropic import Anthropic
from ._conversation import Speech, as_json


class CountTokens(Anthropic):
    """``POST /v1/messages/count_tokens``."""

    path: ClassVar[str] = "/v1/messages/count_tokens"

    def message(self, reply: Speech, now: float) -> bytes:
        """Return the number of input tokens."""
        return as_json({"input_tokens": reply.input_tokens})
