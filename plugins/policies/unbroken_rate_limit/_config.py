"""The settings of the rate limit."""

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
    """The settings of `RateLimit`. An invalid value raises ConfigurationError, which names the field.

    Limits can be combined freely. Without any, only the waits that the server asks for are respected.
    """

    requests: float | None = field(default=None, validator=_LIMIT)
    """Requests per window. None: no limit, as for the other three."""
    tokens: float | None = field(default=None, validator=_LIMIT)
    """Tokens per window, input and output together."""
    input_tokens: float | None = field(default=None, validator=_LIMIT)
    output_tokens: float | None = field(default=None, validator=_LIMIT)
    per: float = field(default=60.0, validator=number(above=0))
    """Length of the window in seconds."""
    burst: float | None = field(default=None, validator=_BURST)
    """Requests that may be sent at once after a pause. None: a whole window's worth, at least one.

    A window may see a full burst plus the steady rate: up to `burst` + `requests` requests.
    """
    token_burst: float | None = field(default=None, validator=_BURST)
    """The same for each kind of tokens. A call with a higher estimate takes the whole burst; it is not rejected."""
    max_wait: float | None = field(default=30.0, validator=optional(seconds))
    """Seconds. A call whose turn is further away is rejected at once. None: it may wait until its deadline."""
    key: Callable[[Call], Hashable] | None = field(default=None, validator=optional(callable_))
    """A function that returns what is limited separately, by default the origin of the call. Not settable in files."""
    estimate: Callable[[Call], Tokens] | None = field(default=None, validator=optional(callable_))
    """A function that returns how many tokens a call will probably take. Not settable in files.

    Default: one input token per four bytes of the body, and ``max_tokens`` output tokens.
    """
    learn_from_headers: bool = field(default=True, validator=flag)
    """Whether to lower a limit's level to what the response headers say is left of that limit.

    Also closes the gate while the server has no request left, even if no limit is set.
    """
    gate_on_429: bool = field(default=True, validator=flag)
    """Whether a 429 makes all calls with this key wait for as long as its ``Retry-After`` says."""
    ramp: float | None = field(default=10.0, validator=optional(number(above=0)))
    """By how many requests per second the rate grows each second after the gate has opened.

    Within each step the moment is random. None: all calls that waited are sent at once.
    """
    shadow: bool = field(default=False, validator=flag)
    """Whether to try the limits out: each decision is reported with `shadow` True, and no call waits or fails."""
    max_keys: int = field(default=1000, validator=number(at_least=1, whole=True))
    """Keys to remember. The least recently used is forgotten first, but none that is in use or behind a closed gate."""

    def __attrs_post_init__(self) -> None:
        if self.burst is not None and self.requests is None:
            raise refused("burst", "is the burst of requests, which have no limit")
        if self.token_burst is not None and all(getattr(self, kind) is None for kind in _TOKEN_LIMITS):
            raise refused("token_burst", "is the burst of tokens, which have no limit")

    def buckets(self) -> dict[str, Bucket]:
        """Return a full bucket for each limit that is set, by kind."""
        made: dict[str, Bucket] = {}
        for kind, burst in {"requests": self.burst, **dict.fromkeys(_TOKEN_LIMITS, self.token_burst)}.items():
            limit: float | None = getattr(self, kind)
            if limit is not None:
                made[kind] = Bucket(limit, self.per, max(1.0, limit) if burst is None else burst)
        return made


class RateLimitOptions(TypedDict, total=False):
    """The keyword arguments of `RateLimit`, one per setting; `RateLimitConfig` documents them."""

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
    ramp: float | None
    shadow: bool
    max_keys: int
