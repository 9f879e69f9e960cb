"""Validators for the fields of configurations: numbers are finite, in range, and really numbers.

Each raises ConfigurationError that names the field. A bool is not a number here.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import ConfigurationError, Problem

Validator = Callable[[Any, Any, Any], None]

ITERABLES = (list, tuple, set, frozenset, range)
_SHOWN_LENGTH = 60


def number(
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    whole: bool = False,
) -> Validator:
    """Accept a finite number in the range; with `whole` an int only."""
    wanted = _wording(above, at_least, at_most, whole=whole)

    def validate(instance: Any, attribute: Any, value: Any) -> None:
        kinds = int if whole else (int, float)
        if (
            not isinstance(value, kinds)
            or isinstance(value, bool)
            or not finite(value)
            or (above is not None and value <= above)
            or (at_least is not None and value < at_least)
            or (at_most is not None and value > at_most)
        ):
            raise refused(attribute.name, f"must be {wanted}, not {shown(value)}")

    return validate


def flag(instance: Any, attribute: Any, value: Any) -> None:
    """Accept True and False only: everything else would be true or false by accident."""
    if not isinstance(value, bool):
        raise refused(attribute.name, f"must be True or False, not {shown(value)}")


def optional(validator: Validator) -> Validator:
    """Accept None too."""

    def validate(instance: Any, attribute: Any, value: Any) -> None:
        if value is not None:
            validator(instance, attribute, value)

    return validate


def text(instance: Any, attribute: Any, value: Any) -> None:
    """Accept text that is not empty."""
    if not isinstance(value, str) or not value:
        raise refused(attribute.name, f"must be text that is not empty, not {shown(value)}")


def callable_(instance: Any, attribute: Any, value: Any) -> None:
    """Accept a function, or anything else that can be called."""
    if not callable(value):
        raise refused(attribute.name, f"must be a function, not {shown(value)}")


def instance_of(kind: type | tuple[type, ...], words: str) -> Validator:
    """Accept an instance of `kind`, which is called `words` in the message: ``a Window``. The value is not shown."""

    def validate(instance: Any, attribute: Any, value: Any) -> None:
        must_be(attribute.name, value, kind, words)

    return validate


def must_be(path: str, value: object, kind: type | tuple[type, ...], words: str) -> None:
    """Raise ConfigurationError unless `value` is a `kind`, which is `words`. The value is not shown."""
    if not isinstance(value, kind):
        raise refused(path, f"must be {words}, not {type(value).__name__}")


def one_of(*choices: str) -> Validator:
    """Accept one of the words."""

    def validate(instance: Any, attribute: Any, value: Any) -> None:
        if value not in choices:
            raise refused(attribute.name, f"must be one of {', '.join(choices)}, not {shown(value)}")

    return validate


def refused(path: str, message: str) -> ConfigurationError:
    """Make the error for one bad field."""
    return ConfigurationError.of(Problem(path, message))


def shown(value: object) -> str:
    """Show a scalar, cut to a decent length; of everything else only what it is, for it may hold secrets."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, ITERABLES):
        return "a list"
    if not isinstance(value, bool | int | float | str | None):
        return f"an instance of {type(value).__name__}"
    try:
        text = repr(value)
    except ValueError:  # an int of more than sys.get_int_max_str_digits()
        return "a very large number"
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def nearest(name: str, names: Iterable[str]) -> str:
    """Return `` (did you mean …?)`` when one of `names` is close to `name`, nothing otherwise."""
    from difflib import get_close_matches

    close = get_close_matches(name, sorted(names), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def finite(value: float) -> bool:
    """Whether `value` is a number that a float can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        return False


def _wording(above: float | None, at_least: float | None, at_most: float | None, *, whole: bool) -> str:
    words = ["a whole number" if whole else "a finite number"]
    if above is not None:
        words.append(f"above {above:g}")
    if at_least is not None:
        words.append(f"of at least {at_least:g}")
    if at_most is not None:
        words.append(f"up to {at_most:g}")
    return " ".join(words)


seconds = number(at_least=0)
optional_seconds = optional(number(above=0))
