"""Records of what the policies of a client decide and how its calls end, through loguru."""

from .config import LoggingConfig
from .plugin import Logging
from .redaction import redact

__all__ = ["Logging", "LoggingConfig", "redact"]
