"""The text of the sources: finding and reading the file, and the value of a variable."""

import codecs
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ..errors import ConfigurationError, Problem
from ..validators import shown

# The TOML parser of Python takes time in the square of the parts of a dotted key.
_MAX_VALUE = 8192
"""Characters of an environment variable that is read as TOML; a longer one is text."""
_MAX_FILE = 1024 * 1024
"""Bytes of a configuration file."""
_MAX_DOTS = 2048
"""Points in one line of a configuration file."""


def parsed(text: str) -> Any:
    """Return `text` parsed as a TOML value, or `text` itself when it is not one."""
    import tomllib

    if len(text) > _MAX_VALUE:
        return text
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if list(table) == ["value"] else text


def find_file(cwd: str | os.PathLike[str] | None) -> tuple[Mapping[str, Any], str] | None:
    """Return the settings and the path of the file in `cwd` or the nearest directory above; None if there is none."""
    try:
        directory = Path(cwd or Path.cwd()).absolute()
    except FileNotFoundError:  # the working directory has been deleted
        return None
    for folder in (directory, *directory.parents):
        own = _read(folder / "unbroken.toml", optional=True)
        if own is not None:
            return _toml(own, folder / "unbroken.toml"), str(folder / "unbroken.toml")
        shared = _read(folder / "pyproject.toml", optional=True)
        # A pyproject.toml that cannot contain [tool.unbroken] is not parsed, so its mistakes raise no error here.
        table = _project_table(shared, folder / "pyproject.toml") if shared and b"unbroken" in shared else None
        if table is not None:
            return table, str(folder / "pyproject.toml")
    return None


def named_file(path: Path) -> tuple[Mapping[str, Any], str]:
    """Return the settings and the path of this file. Raises ConfigurationError if it cannot be used."""
    data = _read(path) or b""
    if path.name != "pyproject.toml":
        return _toml(data, path), str(path)
    table = _project_table(data, path)
    if table is None:
        raise ConfigurationError.of(Problem("", "has no table [tool.unbroken]", str(path)))
    return table, str(path)


def _read(path: Path, *, optional: bool = False) -> bytes | None:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if optional and isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            return None
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError.of(Problem("", f"cannot be read: {reason}", str(path))) from error


def _toml(data: bytes, path: Path) -> dict[str, Any]:
    import tomllib

    if len(data) > _MAX_FILE:
        raise ConfigurationError.of(Problem("", f"has more than {_MAX_FILE} bytes", str(path)))
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.count(b".") > _MAX_DOTS:
            raise ConfigurationError.of(Problem("", f"line {number} has more than {_MAX_DOTS} points", str(path)))
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigurationError.of(Problem("", "is UTF-16 text, and TOML must be UTF-8", str(path)))
    try:
        return tomllib.loads(data.decode("utf-8-sig"))  # editors of Windows write a byte order mark
    except (
        ValueError,
        RecursionError,
    ) as error:  # invalid TOML, invalid UTF-8, a number with too many digits, nesting that is too deep
        raise ConfigurationError.of(Problem("", f"is not valid TOML: {error}", str(path))) from None


def _project_table(data: bytes, path: Path) -> Mapping[str, Any] | None:
    tool: Any = _toml(data, path).get("tool")
    table: Any = cast("dict[str, Any]", tool).get("unbroken") if isinstance(tool, dict) else None
    if table is None or isinstance(table, dict):
        return cast("dict[str, Any] | None", table)
    raise ConfigurationError.of(Problem("tool.unbroken", f"must be a table, not {shown(table)}", str(path)))
