"""How many tokens a call will take, and how many it took."""

from collections.abc import Callable
from math import inf
from typing import Any, Final

import msgspec
from attrs import frozen

from unbroken import Call, Usage

BYTES_PER_TOKEN: Final = 4
"""Of the body: about right for English text, too many for the JSON around it."""
DEFAULT_OUTPUT: Final = 1024
"""Reserved for the output of a request that does not limit it."""


@frozen
class Tokens:
    """Numbers of tokens."""

    input: float = 0
    output: float = 0


NO_TOKENS: Final = Tokens()

EstimateFunction = Callable[[Call], Tokens]


class _Body(msgspec.Struct):
    """What a body says about the most tokens of output. All else in it is skipped, not decoded."""

    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None


_decode = msgspec.json.Decoder(_Body).decode


def estimate(call: Call) -> Tokens:
    """Estimate by the request: a token for each four bytes of body, and the `max_tokens` that it asks for.

    ``max_completion_tokens`` and ``max_output_tokens`` are understood too. Without any of them, 1024.
    """
    content = call.request.content
    return Tokens(len(content) / BYTES_PER_TOKEN, _most_output(content))


def _most_output(content: bytes) -> float:
    try:
        body = _decode(content)
    except (msgspec.MsgspecError, RecursionError):
        return DEFAULT_OUTPUT
    for limit in (body.max_tokens, body.max_completion_tokens, body.max_output_tokens):
        if type(limit) is int and limit > 0:
            return limit
    return DEFAULT_OUTPUT


def checked(tokens: Tokens) -> Tokens:
    """Return the estimate of a user's function. Raises ValueError for what cannot be counted."""
    if not (0 <= tokens.input < inf and 0 <= tokens.output < inf):
        raise ValueError(f"an estimate must be finite and not negative, not {tokens!r}")
    return tokens


def was_sent(call: Call) -> bool:
    """Say whether the server may have got the present attempt; before `connect` is over it has not."""
    return call.response is not None or call.phase == "headers"


def input_of(usage: Usage | None, otherwise: float) -> float:
    """Return the input that counts against a limit: reads from a cache do not, writes to it do."""
    if usage is None or usage.input_tokens is None:
        return otherwise
    return max(0, usage.input_tokens) + max(0, usage.cache_write_tokens or 0)


def spent(call: Call, estimated: Tokens, events_before: int) -> Tokens:
    """Return what the present attempt took, now that it has ended, however it has ended.

    An answer that is an HTTP error took nothing. The input is as the server counted it, as estimated if it did not.
    The output is as the server counted it at the end; without that at least a token for each event delivered.
    """
    usage, response = call.usage, call.response
    if response is not None and response.status_code >= 400:
        return NO_TOKENS
    counted = 0 if usage is None else max(0, usage.output_tokens or 0)
    final = usage is not None and usage.final and usage.output_tokens is not None
    output = counted if final else max(counted, call.events - events_before)
    return Tokens(input_of(usage, estimated.input), output)
