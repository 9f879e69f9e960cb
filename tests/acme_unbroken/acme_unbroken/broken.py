"""A plugin that cannot be imported, as something that it needs was not installed."""

from module_that_acme_forgot import Nothing

__all__ = ["Nothing"]
