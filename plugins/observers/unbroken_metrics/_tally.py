"""Counts by name, bounded, because names may come from outside."""

from typing import Any, Final

from unbroken import Error, TimeoutError

from ._labels import OTHER, shown

MOST: Final = 50
"""Names that a tally counts separately."""

Tally = dict[str, Any]
"""Counts, or sums of seconds, by name."""


def count(tally: Tally, name: str, amount: float = 1) -> None:
    """Add `amount` to the count of `name`, or to that of ``other`` if there are too many names."""
    if name not in tally:
        name = shown(name) if len(tally) < MOST else OTHER
    tally[name] = tally.get(name, 0) + amount


def error_name(error: Error) -> str:
    """Return the class name of `error`, of a TimeoutError with the timeout: ``TimeoutError:idle``."""
    name = type(error).__name__
    return f"{name}:{error.timeout}" if isinstance(error, TimeoutError) and error.timeout else name
