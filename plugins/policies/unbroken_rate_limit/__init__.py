"""The rate-limit policy: places in a queue that are times known at once, paid in requests and tokens."""

from ._config import RateLimitConfig
from ._plugin import RateLimit
from ._queue import KeyState
from ._tokens import Tokens

__all__ = ["KeyState", "RateLimit", "RateLimitConfig", "Tokens"]
