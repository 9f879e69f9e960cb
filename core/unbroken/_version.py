"""The version of this distribution."""

import functools
from typing import Final

UNKNOWN: Final = "unknown"
"""The version of packages that were copied without their metadata, say into a frozen application."""


@functools.cache
def version() -> str:
    """Return the version of the installed distribution, `UNKNOWN` if its metadata is not there."""
    from importlib import metadata

    try:
        return metadata.version("unbroken")
    except metadata.PackageNotFoundError:
        return UNKNOWN
