"""Warnings that are given once."""

import logging
from typing import Final

_log: Final = logging.getLogger("unbroken")


def warn_once(given: set[str], message: str) -> None:
    """Log `message` as a warning unless it is in `given`, to which it is added."""
    if message not in given:
        given.add(message)
        _log.warning(message)
