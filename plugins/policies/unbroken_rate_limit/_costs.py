"""The cost of an attempt in units of each limit."""

from collections.abc import Mapping
from typing import Final

from ._gcra import Bucket
from ._tokens import NO_TOKENS, Tokens

# How many units one request, one input token and one output token cost.
_WEIGHTS: Final = {
    "requests": (1.0, 0.0, 0.0),
    "tokens": (0.0, 1.0, 1.0),
    "input_tokens": (0.0, 1.0, 0.0),
    "output_tokens": (0.0, 0.0, 1.0),
}


class Costs:
    """Converts tokens to units, in the order of `buckets`."""

    def __init__(self, buckets: Mapping[str, Bucket]) -> None:
        self._rows = [(*_WEIGHTS[kind], bucket.burst) for kind, bucket in buckets.items()]
        self.in_tokens = not buckets.keys() <= {"requests"}
        """Whether any of the limits counts tokens."""
        self.limited = bool(buckets)
        """Whether there is any limit."""

    def units(self, certain: Tokens, estimated: Tokens = NO_TOKENS) -> list[float]:
        """Return the units that one request costs: all of `certain`, and of `estimated` no more than a full burst."""
        if not self.in_tokens:
            return [1.0] * len(self._rows)
        units: list[float] = []
        for request, input, output, burst in self._rows:
            known = request + input * certain.input + output * certain.output
            guessed = known + input * estimated.input + output * estimated.output
            units.append(guessed if guessed <= burst else max(burst, known))
        return units
