"""What can be set about limiting."""

from collections.abc import Callable, Hashable
from typing import TypedDict

from attrs import field, frozen

from unbroken import Call
from unbroken.validators import callable_, flag, number, optional, refused, seconds

from ._gcra import Bucket
from ._tokens import Tokens

_LIMIT = optional(number(above=0))
_BURST = optional(number(at_least=1))
_TOKEN_LIMITS = ("tokens", "input_tokens", "output_tokens")


@frozen(kw_only=True)
class RateLimitConfig:
    """The settings of `RateLimit`; every bad value is a ConfigurationError that names its field.

    Any combination of limits goes; without any, only the server's own limits are respected.
    """

    requests: float | None = field(default=None, validator=_LIMIT)
    """Requests per window; None for no limit, as with the three others."""
    tokens: float | None = field(default=None, validator=_LIMIT)
    """Tokens per window, input and output together."""
    input_tokens: float | None = field(default=None, validator=_LIMIT)
    output_tokens: float | None = field(default=None, validator=_LIMIT)
    per: float = field(default=60.0, validator=number(above=0))
    """Seconds of a window."""
    burst: float | None = field(default=None, validator=_BURST)
    """Requests that may be sent at once, after a pause; None for those of a whole window (at least one).

    A full burst and the steady rate together are what a window can see: up to `burst` + `requests`.
    """
    token_burst: float | None = field(default=None, validator=_BURST)
    """The same for tokens of each kind. A call that is estimated higher takes all of it and is not refused."""
    max_wait: float | None = field(default=30.0, validator=optional(seconds))
    """Seconds that a call waits for its turn at most, else it is refused at once; None to wait until its deadline."""
    key: Callable[[Call], Hashable] | None = field(default=None, validator=optional(callable_))
    """What is limited apart: a function of the call, by default its origin. Not for files."""
    estimate: Callable[[Call], Tokens] | None = field(default=None, validator=optional(callable_))
    """How many tokens a call will take: a function of the call. Not for files.

    By default a token of input for each four bytes of the body, and ``max_tokens`` of output.
    """
    learn_from_headers: bool = field(default=True, validator=flag)
    """Whether what the server says is left counts when it is less, of the limits that are set here.

    And whether the gate closes while the server has no request left. Without any limit set nothing is learned.
    """
    gate_on_429: bool = field(default=True, validator=flag)
    """Whether a 429 makes all calls of the key wait for as long as it says."""
    max_keys: int = field(default=1000, validator=number(at_least=1, whole=True))
    """Keys to remember. The least recently used is forgotten first, none that is in use or gated."""

    def __attrs_post_init__(self) -> None:
        if self.burst is not None and self.requests is None:
            raise refused("burst", "is the burst of requests, which have no limit")
        if self.token_burst is not None and all(getattr(self, kind) is None for kind in _TOKEN_LIMITS):
            raise refused("token_burst", "is the burst of tokens, which have no limit")

    def buckets(self) -> dict[str, Bucket]:
        """Make a full bucket for each limit that is set."""
        made: dict[str, Bucket] = {}
        for kind, burst in {"requests": self.burst, **dict.fromkeys(_TOKEN_LIMITS, self.token_burst)}.items():
            limit: float | None = getattr(self, kind)
            if limit is not None:
                made[kind] = Bucket(limit, self.per, max(1.0, limit) if burst is None else burst)
        return made


class RateLimitOptions(TypedDict, total=False):
    """The keywords of `RateLimit`: one for each setting of `RateLimitConfig`, which describes them."""

    requests: float | None
    tokens: float | None
    input_tokens: float | None
    output_tokens: float | None
    per: float
    burst: float | None
    token_burst: float | None
    max_wait: float | None
    key: Callable[[Call], Hashable] | None
    estimate: Callable[[Call], Tokens] | None
    learn_from_headers: bool
    gate_on_429: bool
    max_keys: int
