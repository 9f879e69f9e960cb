"""The count of tokens of the Anthropic Messages API, which is never streamed."""

from typing import ClassVar

from ._anthropic import Anthropic
from ._conversation import Exchange
from ._fields import compact


class CountTokens(Anthropic):
    """``POST /v1/messages/count_tokens``."""

    path: ClassVar[str] = "/v1/messages/count_tokens"

    def message(self, exchange: Exchange) -> bytes:
        """Return the number of input tokens."""
        return compact({"input_tokens": exchange.reply.input_tokens})
