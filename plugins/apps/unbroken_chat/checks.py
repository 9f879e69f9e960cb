"""Checks of what people pass in."""

from typing import Any

from unbroken.validators import refused


def must_be(path: str, value: object, kind: type | tuple[type, ...], words: str) -> None:
    """Raise ConfigurationError unless `value` is a `kind`, which is `words`. The value is not shown."""
    if not isinstance(value, kind):
        raise refused(path, f"must be {words}, not {type(value).__name__}")


def text(instance: Any, attribute: Any, value: Any) -> None:
    """Accept text."""
    must_be(attribute.name, value, str, "text")


def name(instance: Any, attribute: Any, value: Any) -> None:
    """Accept text that is not empty."""
    must_be(attribute.name, value, str, "text")
    if not value:
        raise refused(attribute.name, "must not be empty")
