"""The fallback policy: other endpoints, models or keys, in order, when the first one has failed for good."""

from ._config import FallbackConfig, Target
from ._plugin import Fallback

__all__ = ["Fallback", "FallbackConfig", "Target"]
