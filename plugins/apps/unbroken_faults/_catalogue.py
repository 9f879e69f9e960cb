"""The faults by name."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Final, TypeVar

from ._fault import Fault

FILLER: Final = 64 * 1024
"""Bytes of one insertion in a huge body."""
SAID: Final = "Said with a 200"
"""The message of an error object that comes with a good status."""

_F = TypeVar("_F", bound=Callable[..., Fault])
_catalogue: dict[str, Callable[..., Fault]] = {}

CATALOGUE: Final[Mapping[str, Callable[..., Fault]]] = _catalogue
"""The functions of `unbroken_faults.faults` by the names that scripts use."""


def listed(factory: _F) -> _F:
    """Add a function to the catalogue."""
    _catalogue[factory.__name__] = factory
    return factory


def describe() -> dict[str, str]:
    """Return the description of each fault, by the way it is written in a script."""
    return {_usage(name, factory): (factory.__doc__ or "").strip() for name, factory in CATALOGUE.items()}


def _usage(name: str, factory: Callable[..., Fault]) -> str:
    parameters = signature(factory).parameters.values()
    return ":".join([name, *(f"{each.name}={_shown(each.default)}" for each in parameters)])


def _shown(default: object) -> str:
    return "..." if default is None or isinstance(default, bytes) else str(default)
