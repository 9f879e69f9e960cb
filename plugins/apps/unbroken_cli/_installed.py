"""Reads the commands that the installed distributions offer, without `importlib.metadata` where that is possible.

Importing it takes 20 ms, which `unbroken --help` would spend before it prints. The layout of the directories is that of
https://packaging.python.org/en/latest/specifications/recording-installed-packages/ and, for the file of entry points,
https://packaging.python.org/en/latest/specifications/entry-points/.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

GROUP: Final = "unbroken.commands"
HOME: Final = "unbroken"
"""The distribution that this module belongs to."""
_SECTION: Final = f"[{GROUP}]"


class Offer(NamedTuple):
    """A command and the distribution that offers it."""

    name: str
    """The name that the distribution gives to its command."""
    value: str
    """Its place: ``module:attribute``."""
    distribution: str
    version: str

    @property
    def id(self) -> str:
        """``distribution:name``."""
        return f"{self.distribution}:{self.name}"

    def load(self) -> Any:
        """Import and return the command. Raises whatever its module raises."""
        module, _, attributes = self.value.partition("[")[0].strip().partition(":")
        found: Any = import_module(module)
        for attribute in filter(None, attributes.split(".")):
            found = getattr(found, attribute)
        return found

    def __str__(self) -> str:
        return f"{self.value} of distribution {self.distribution} {self.version}"


def installed() -> dict[str, list[Offer]]:
    """Return the offers of each distribution that has some, keyed by its normalized name.

    A distribution that is on the path twice counts once, as its first place is the one that is imported from. One with
    unreadable metadata is left out.
    """
    found = _first(_on_path())
    if HOME not in found:  # in a zip file, or in an application that was frozen
        found = _first(_by_importlib())
    return found


def _first(groups: Iterable[list[Offer]]) -> dict[str, list[Offer]]:
    found: dict[str, list[Offer]] = {}
    for offers in groups:
        found.setdefault(re.sub(r"[-_.]+", "-", offers[0].distribution).lower(), offers)  # PEP 503
    return found


def _on_path() -> Iterator[list[Offer]]:
    for place in sys.path:
        try:
            with os.scandir(place or ".") as entries:
                folders = [each.path for each in entries if each.name.endswith((".dist-info", ".egg-info"))]
        except OSError:  # a zip file, or a directory that is not there
            continue
        yield from filter(None, map(_read, map(Path, folders)))


def _read(folder: Path) -> list[Offer]:
    metadata = "METADATA" if folder.suffix == ".dist-info" else "PKG-INFO"
    try:
        entry_points = (folder / "entry_points.txt").read_bytes()
        if _SECTION.encode() not in entry_points:
            return []
        text, head = entry_points.decode(), (folder / metadata).read_text("utf-8").partition("\n\n")[0]
    except (OSError, ValueError):
        return []
    named = dict(_split(head, ":"))
    pairs = _split(text.partition(_SECTION)[2].partition("\n[")[0], "=")
    return [Offer(name, value, named.get("Name", "unknown"), named.get("Version", "")) for name, value in pairs]


def _split(text: str, sign: str) -> list[tuple[str, str]]:
    """Return the name and the value of each line that has a `sign` and is no comment."""
    parts = [line.partition(sign) for line in text.splitlines() if not line.lstrip().startswith(("#", sign))]
    return [(name.strip(), value.strip()) for name, found, value in parts if found]


def _by_importlib() -> Iterator[list[Offer]]:
    from importlib import metadata

    for each in metadata.distributions():
        try:
            entry_points = [point for point in each.entry_points if point.group == GROUP]
            offers = [Offer(point.name, point.value, each.name, each.version) for point in entry_points]
        except Exception:  # noqa: BLE001, S112  # one broken distribution must not break the command line
            continue
        if offers:
            yield offers
