"""The `unbroken` command: a demonstration, what is installed, what is configured, any stream, a failing server."""

import sys
from importlib.util import find_spec

__all__ = ("main",)


def main() -> None:
    """Run the command. Exits with 2 when the packages that it needs are not installed."""
    if find_spec("typer") is None or find_spec("rich") is None:
        sys.stderr.write("The unbroken command needs typer and rich: pip install 'unbroken[cli]'\n")
        sys.exit(2)
    from .app import run

    run()
