"""Finds installed plugins: entry points -> names -> loaded objects. Listing imports nothing and never fails."""

import os
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from ..errors import ConfigurationError, Problem
from ..validators import nearest

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

UNKNOWN: Final = "unknown"
OURS: Final = "unbroken"
"""The distribution whose plugins and dialects can always be used by their plain names."""
PLUGINS: Final = "unbroken.plugins"
DIALECTS: Final = "unbroken.dialects"
TRANSPORTS: Final = "unbroken.transports"
DEFAULTS: Final = "unbroken.defaults"
"""The entry point group of the default list: the value of each name is its position."""


@frozen
class Discovered:
    """An entry point: what a distribution offers under a name."""

    name: str
    value: str
    """The object it refers to: ``module:attribute``."""
    distribution: str
    version: str
    entry_point: "EntryPoint" = field(repr=False, eq=False)

    @property
    def id(self) -> str:
        """``distribution:name``, as in the setting ``use``."""
        return f"{self.distribution}:{self.name}"

    def load(self, path: str) -> Any:
        """Import the object and return it. Raises ConfigurationError, which names the distribution, if that fails."""
        try:
            return self.entry_point.load()
        except Exception as error:  # a foreign module may raise anything
            raise self.failure(path, "cannot be imported", error) from error

    def failure(self, path: str, what: str, error: Exception) -> ConfigurationError:
        """Return the error for a plugin that is installed but does not work."""
        place = f"{self.value} of distribution {self.distribution} {self.version}"
        reason = f"{type(error).__name__}: {error}"
        return ConfigurationError.of(Problem(path, f"{what} ({place}): {reason}", "installed distributions"))


def list_installed(entry_points: Sequence["EntryPoint"]) -> list[Discovered]:
    """Return `entry_points` as `Discovered` objects, sorted by name."""
    found = [
        Discovered(
            entry_point.name,
            entry_point.value,
            *(_name_and_version(entry_point.dist) if entry_point.dist else (UNKNOWN, UNKNOWN)),
            entry_point,
        )
        for entry_point in entry_points
    ]
    return sorted(found, key=lambda each: (each.name, each.distribution))


def installed_entry_points(group: str) -> list["EntryPoint"]:
    """Return the entry points of a group. A distribution with broken metadata counts as having none.

    The files are read again when the import path has changed, or a folder on it: then something was installed.
    """
    return list(_offered(group, (*sys.path, *map(id, sys.meta_path)), tuple(map(_state, sys.path))))


@lru_cache(maxsize=16)
def _offered(group: str, places: tuple[object, ...], states: tuple[object, ...]) -> tuple["EntryPoint", ...]:
    """Return the entry points of a group. To read those of a hundred distributions takes 10 ms."""
    from importlib import metadata

    found: list[EntryPoint] = []
    seen: set[str] = set()
    # metadata.entry_points() does the same, but one broken distribution makes it fail.
    for distribution in metadata.distributions():
        try:
            offered = [each for each in distribution.entry_points if each.group == group]
            name = normalized(distribution.name) if offered else ""
        except Exception:  # noqa: BLE001, S112  listing never fails
            continue
        if offered and name not in seen:  # the first on sys.path is the one that would be imported
            seen.add(name)
            found += offered
    return tuple(found)


def _state(place: str) -> object:
    """Return what changes when something is installed in a place of the import path."""
    try:
        stat = os.stat(place or os.curdir)  # noqa: PTH116  # a pathlib.Path takes as long as the call
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns


@lru_cache(maxsize=64)
def _name_and_version(distribution: "Distribution") -> tuple[str, str]:
    """Return both. Each reads and parses the file of the metadata."""
    return distribution.name, distribution.version


def default_names() -> tuple[list[str], list[str]]:
    """Return the names in the default list that are installed, outermost first, and those that are not.

    Only the distribution `unbroken` defines the list, so installing another distribution does not change it.
    """
    from importlib import metadata
    from importlib.util import find_spec

    try:
        entry_points = metadata.distribution(OURS).entry_points
    except metadata.PackageNotFoundError:
        return [], []
    positions = {each.name: int(each.value) for each in entry_points if each.group == DEFAULTS}
    modules = {each.name: each.module for each in entry_points if each.group == PLUGINS}
    names = sorted(positions, key=positions.__getitem__)
    there = [name for name in names if name in modules and find_spec(modules[name]) is not None]
    return there, [name for name in names if name not in there]


def by_name(name: str, found: Sequence[Discovered], at: Problem) -> Discovered:
    """Return the entry point called `name`: the one of the distribution `unbroken`, otherwise the only one.

    Raises ConfigurationError, with the path and source of `at`, if there is none, or more than one and all are from
    other distributions. The message of `at` says how to choose; its ``{}`` is replaced by an example.
    """
    named = [each for each in found if each.name == name]
    named = [each for each in named if normalized(each.distribution) == OURS] or named
    if len(named) == 1:
        return named[0]
    if named:
        distributions = " and ".join(f"{each.distribution} {each.version}" for each in named)
        message = f"{name!r} is offered by {distributions}; choose with {at.message.format(named[0].id)}"
    else:
        message = unknown(name, found)
    raise ConfigurationError.of(evolve(at, message=message))


def by_id(choice: str, found: Sequence[Discovered], at: Problem) -> Discovered:
    """Return the entry point ``distribution:name``. Raises ConfigurationError, with the path and source of `at`."""
    distribution, _, name = choice.partition(":")
    for each in found:
        if each.name == name and normalized(each.distribution) == normalized(distribution):
            return each
    offered = ", ".join(each.id for each in found) or "nothing"
    raise ConfigurationError.of(evolve(at, message=f"{choice!r} is not installed; there is {offered}"))


def unknown(name: str, found: Sequence[Discovered]) -> str:
    """Return the message that nothing called `name` is installed, and what is."""
    names = sorted({each.name for each in found})
    return f"{name!r} is not installed{nearest(name, names)}; there is {', '.join(names) or 'nothing'}"


def normalized(distribution: str) -> str:
    """Return the name of a distribution, normalised as in PEP 503."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
