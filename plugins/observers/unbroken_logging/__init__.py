"""Log the decisions of a client's policies and the outcomes of its calls."""

from .config import LoggingConfig
from .plugin import Logging

__all__ = ["Logging", "LoggingConfig"]
