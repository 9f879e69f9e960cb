"""The rate-limit policy: each call learns the time of its turn at once, and pays in requests and tokens."""

from ._config import RateLimitConfig
from ._plugin import RateLimit
from ._state import KeyState
from ._tokens import Tokens

__all__ = ["KeyState", "RateLimit", "RateLimitConfig", "Tokens"]
