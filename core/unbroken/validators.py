"""Validators for the fields of configurations, such as numbers that are finite and in range.

Each raises ConfigurationError that names the field. A bool does not count as a number.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import frozen

from .errors import ConfigurationError, Problem

Validator = Callable[[Any, Any, Any], None]

ITERABLES = (list, tuple, set, frozenset, range)
_SHOWN_LENGTH = 60


@frozen(kw_only=True)
class Number:
    """Accepts a finite number in the range; if `whole`, only an int."""

    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    whole: bool = False

    def __call__(self, instance: Any, attribute: Any, value: Any) -> None:
        """Raise ConfigurationError for any other value."""
        kinds = int if self.whole else (int, float)
        if (
            not isinstance(value, kinds)
            or isinstance(value, bool)
            or not finite(value)
            or (self.above is not None and value <= self.above)
            or (self.at_least is not None and value < self.at_least)
            or (self.at_most is not None and value > self.at_most)
        ):
            wanted = _wording(self.above, self.at_least, self.at_most, whole=self.whole)
            raise refused(attribute.name, f"must be {wanted}, not {shown(value)}")


@frozen
class Optional:
    """Accepts None and whatever `inner` accepts."""

    inner: Validator

    def __call__(self, instance: Any, attribute: Any, value: Any) -> None:
        """Raise ConfigurationError for any other value."""
        if value is not None:
            self.inner(instance, attribute, value)


@frozen
class OneOf:
    """Accepts one of `choices`."""

    choices: tuple[str, ...]

    def __call__(self, instance: Any, attribute: Any, value: Any) -> None:
        """Raise ConfigurationError for any other value."""
        if value not in self.choices:
            raise refused(attribute.name, f"must be one of {', '.join(self.choices)}, not {shown(value)}")


def number(
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    whole: bool = False,
) -> Validator:
    """Return a validator that accepts a finite number in the range; with `whole`, only an int."""
    return Number(above=above, at_least=at_least, at_most=at_most, whole=whole)


def flag(instance: Any, attribute: Any, value: Any) -> None:
    """Accept only True and False: the truth value of anything else would be accidental."""
    if not isinstance(value, bool):
        raise refused(attribute.name, f"must be True or False, not {shown(value)}")


def optional(validator: Validator) -> Validator:
    """Return a validator that accepts None and whatever `validator` accepts."""
    return Optional(validator)


def text(instance: Any, attribute: Any, value: Any) -> None:
    """Accept text that is not empty."""
    if not isinstance(value, str) or not value:
        raise refused(attribute.name, f"must be text that is not empty, not {shown(value)}")


def callable_(instance: Any, attribute: Any, value: Any) -> None:
    """Accept a function, or anything else that can be called."""
    if not callable(value):
        raise refused(attribute.name, f"must be a function, not {shown(value)}")


def instance_of(kind: type | tuple[type, ...], words: str) -> Validator:
    """Return a validator that accepts an instance of `kind`.

    The message calls the kind by `words`, such as ``a Window``, and does not show the value.
    """

    def validate(instance: Any, attribute: Any, value: Any) -> None:
        must_be(attribute.name, value, kind, words)

    return validate


def must_be(path: str, value: object, kind: type | tuple[type, ...], words: str) -> None:
    """Raise ConfigurationError unless `value` is a `kind`, which is `words`. The value is not shown."""
    if not isinstance(value, kind):
        raise refused(path, f"must be {words}, not {type(value).__name__}")


def one_of(*choices: str) -> Validator:
    """Return a validator that accepts one of `choices`."""
    return OneOf(choices)


def refused(path: str, message: str) -> ConfigurationError:
    """Return the error for one invalid field."""
    return ConfigurationError.of(Problem(path, message))


def shown(value: object) -> str:
    """Return a scalar's repr, shortened; of anything else only what it is, because it may hold secrets."""
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
    """Return `` (did you mean …?)`` if one of `names` is similar to `name`, otherwise an empty string."""
    from difflib import get_close_matches

    close = get_close_matches(name, sorted(names), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def finite(value: float) -> bool:
    """Return whether `value` is a finite number that a float can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        return False


def checked_seconds(value: Any) -> float:
    """Return `value`. Raises ConfigurationError if it is not a finite number of seconds of at least 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not finite(value) or value < 0:
        raise refused("seconds", f"must be a finite number of at least 0, not {shown(value)}")
    return float(value)


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
