"""What tokens cost, in whole micro-dollars."""

from typing import Final

from unbroken import Usage

from ..values import Price

_PER: Final = 1_000_000
"""The tokens that a price is for."""


def cost(price: Price, usage: Usage) -> int:
    """Return the micro-dollars that `usage` costs, rounded up once for the whole call.

    A count of None adds nothing. To charge for tokens that the server has not counted, put an estimate in their place
    first: ``cost(price, estimate.updated(usage))``, where a count of 0 replaces the estimate and None does not.
    """
    parts = (
        (usage.input_tokens, price.input),
        (usage.output_tokens, price.output),
        (usage.cache_read_tokens, price.cache_read),
        (usage.cache_write_tokens, price.cache_write),
    )
    return -(-sum((tokens or 0) * each for tokens, each in parts) // _PER)
