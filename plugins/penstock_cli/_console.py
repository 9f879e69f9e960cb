"""Where the commands write to, and what may be written there."""

import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from penstock.errors import ConfigurationError

PLAIN_WIDTH = 100
"""Columns of a table that goes into a file or a pipe."""


def console(*, stderr: bool = False) -> "Console":
    """Return a console: colours for a terminal that has them, plain text for everything else."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = PLAIN_WIDTH
    return made


def tolerate_encodings() -> None:
    """Write ``?`` for what a terminal of old cannot show, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def printable(text: str) -> str:
    """Return `text` without what a terminal would obey: everything unprintable but line feeds and tabs."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)


def complain(error: "ConfigurationError") -> None:
    """Print everything that is wrong with a configuration, a line each, on standard error."""
    lines: Iterable[str] = map(str, error.problems) if error.problems else error.message.splitlines()
    whole = "".join(f"  - {printable(line)}\n" for line in lines)
    say(f"The configuration cannot be used:\n{whole}")


def say(text: str) -> None:
    """Write to standard error, at once."""
    sys.stderr.write(text)
    sys.stderr.flush()
