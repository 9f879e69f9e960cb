"""Records of what the policies of a client decide and how its calls end, through loguru."""

from .config import LoggingConfig
from .plugin import Logging

__all__ = ["Logging", "LoggingConfig"]
