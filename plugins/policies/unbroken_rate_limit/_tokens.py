"""How many tokens a call will probably use, and how many it used."""

from collections.abc import Callable
from math import inf
from typing import Any, Final

import msgspec
from attrs import frozen

from unbroken import Call, Usage

BYTES_PER_TOKEN: Final = 4
"""Of the body. About right for English text; the JSON around it makes the estimate too high."""
DEFAULT_OUTPUT: Final = 1024
"""Output tokens reserved for a request that does not limit them."""


@frozen
class Tokens:
    """Numbers of input and output tokens."""

    input: float = 0
    output: float = 0


NO_TOKENS: Final = Tokens()

EstimateFunction = Callable[[Call], Tokens]


class _Body(msgspec.Struct):
    """The fields of a body that limit its output tokens. The others are skipped without being decoded."""

    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None


_decode = msgspec.json.Decoder(_Body).decode


def estimate(call: Call) -> Tokens:
    """Return an estimate from the request: one input token per four bytes of the body, and the output that it allows.

    That is ``max_tokens``, ``max_completion_tokens`` or ``max_output_tokens``; without any of them, 1024 tokens.
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
    """Return `tokens`, the result of a user's function. Raises ValueError unless both are finite and not negative."""
    if not (0 <= tokens.input < inf and 0 <= tokens.output < inf):
        raise ValueError(f"an estimate must be finite and not negative, not {tokens!r}")
    return tokens


def was_sent(call: Call) -> bool:
    """Return whether the server may have received the present attempt: it cannot before the connection is open."""
    return call.response is not None or call.phase == "headers"


def input_of(usage: Usage | None, otherwise: float) -> float:
    """Return the input tokens that count against a limit: cache writes do, cache reads do not."""
    if usage is None or usage.input_tokens is None:
        return otherwise
    return max(0, usage.input_tokens) + max(0, usage.cache_write_tokens or 0)


def counted(usage: Usage, estimated: Tokens) -> tuple[Tokens, Tokens]:
    """Return the tokens that the server has counted so far, and those that are still to be expected.

    Nothing more is expected of a count that is final.
    """
    output = max(0, usage.output_tokens or 0)
    final = usage.final and usage.output_tokens is not None
    known = usage.input_tokens is not None
    certain = Tokens(input_of(usage, 0.0), output)
    return certain, Tokens(0 if known else estimated.input, 0 if final else max(0, estimated.output - output))


def spent(call: Call, estimated: Tokens, events_before: int) -> Tokens:
    """Return the tokens that the present attempt used, after it has ended in whatever way.

    An HTTP error used none. The input is the server's count, without one the estimate. The output is the server's final
    count, without one the larger of its count so far and one token per event delivered.
    """
    usage, response = call.usage, call.response
    if response is not None and response.status_code >= 400:
        return NO_TOKENS
    counted = 0 if usage is None else max(0, usage.output_tokens or 0)
    final = usage is not None and usage.final and usage.output_tokens is not None
    output = counted if final else max(counted, call.events - events_before)
    return Tokens(input_of(usage, estimated.input), output)
