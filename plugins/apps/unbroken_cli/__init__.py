"""The `unbroken` command. `app` is its root, `commands` has the commands and their options.

Each command has a module or a folder of its name; modules that begin with an underscore serve several commands.
"""

import gc
import sys
from importlib.util import find_spec

__all__ = ("main",)


def main() -> None:
    """Run the command line. Exits with 2 when the packages that it needs are not installed."""
    if find_spec("typer") is None or find_spec("rich") is None:
        sys.stderr.write("The unbroken command needs typer and rich: pip install 'unbroken[cli]'\n")
        sys.exit(2)
    # Imports create no garbage, and looking for it takes 5 % of `unbroken --help`. Commands run with the collector on.
    gc.disable()
    try:
        from .app import run

        run()
    finally:
        gc.enable()
