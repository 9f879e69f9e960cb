"""Counting by name, of names that come from anywhere."""

from typing import Any, Final

from unbroken import Error, TimeoutError

from ._labels import OTHER, shown

MOST: Final = 50
"""Names that a tally keeps apart."""

Tally = dict[str, Any]
"""Counts, or sums of seconds, by name."""


def count(tally: Tally, name: str, amount: float = 1) -> None:
    """Add `amount` to what `name` has; to what ``other`` has when there are too many names."""
    if name not in tally:
        name = shown(name) if len(tally) < MOST else OTHER
    tally[name] = tally.get(name, 0) + amount


def error_name(error: Error) -> str:
    """Return the class of `error`, for a timeout with its clock: ``TimeoutError:idle``."""
    name = type(error).__name__
    return f"{name}:{error.timeout}" if isinstance(error, TimeoutError) and error.timeout else name
