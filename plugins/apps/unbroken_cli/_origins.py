"""Where the values of a configuration come from: a default, a line of a file, a variable, an option."""

import os
from typing import Final

from attrs import define, field, frozen

from unbroken.config import DEFAULTS

from ._lines import Keys, Lines

DEFAULT: Final = "default"


@frozen
class Origin:
    """Where a value comes from."""

    kind: str
    """``default``, ``file``, ``environment`` or ``argument``."""
    source: str = ""
    """The path of the file, the name of the variable, or the option."""
    line: int | None = None
    """The line of the key in the file, counted from 1."""

    def __str__(self) -> str:
        if self.kind == DEFAULT:
            return DEFAULT
        return self.source if self.line is None else f"{self.source}:{self.line}"


@define
class Origins:
    """Finds origins. It reads each file once."""

    _read: dict[str, Lines] = field(factory=dict[str, Lines], init=False)

    def of(self, source: str, keys: Keys) -> Origin:
        """Return the origin of the value at `keys` that the settings name as `source`."""
        if source == DEFAULTS:
            return Origin(DEFAULT)
        if source.startswith("--"):
            return Origin("argument", source)
        if source.startswith("UNBROKEN_") and source in os.environ:
            return Origin("environment", source)
        return Origin("file", source, self.lines(source).of_keys(keys))

    def lines(self, path: str) -> Lines:
        """Return the lines of the file at `path`; none if it is no file."""
        if path not in self._read:
            self._read[path] = Lines.of(path)
        return self._read[path]
