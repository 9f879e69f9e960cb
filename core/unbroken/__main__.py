"""``python -m unbroken``: the command, for a Python whose scripts are not on the path."""

import sys
from collections.abc import Callable
from typing import Any, Final

from ._settings.discovery import OURS

UNUSABLE: Final = 2
_MISSING: Final = "The unbroken command is not installed in this Python: pip install 'unbroken[cli]'\n"


def main() -> None:
    """Run the console script of the distribution. Exits with 2 and says what to install if there is none."""
    command = _command()
    if command is None:
        sys.stderr.write(_MISSING)
        sys.exit(UNUSABLE)
    command()


def _command() -> Callable[[], Any] | None:
    from importlib import metadata

    try:
        scripts = metadata.distribution(OURS).entry_points.select(group="console_scripts", name=OURS)
        loaded: Callable[[], Any] = next(iter(scripts)).load()
    except (metadata.PackageNotFoundError, StopIteration, ImportError, AttributeError):
        return None  # packages that were copied without their metadata, or the core alone
    return loaded


if __name__ == "__main__":
    main()
