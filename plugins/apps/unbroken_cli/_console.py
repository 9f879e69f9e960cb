"""Where the commands write to, and what may be written there."""

import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

    from unbroken.errors import ConfigurationError

PLAIN_WIDTH = 100
"""Columns of a table that goes into a file or a pipe."""

# Not printable in Python's eyes, but text: line feed and tab, the spaces of many languages (Unicode category Zs), and
# the two joiners, without which Persian and many emoji come apart.
_HARMLESS: Final = frozenset(
    "\n\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u200c\u200d"
)


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
    """Return `text` without what a terminal would obey: control characters, marks that turn text around."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character in _HARMLESS else "\ufffd" for character in text)


def complain(error: "ConfigurationError") -> None:
    """Print everything that is wrong with a configuration, a line each, on standard error."""
    lines: Iterable[str] = map(str, error.problems) if error.problems else error.message.splitlines()
    whole = "".join(f"  - {printable(line)}\n" for line in lines)
    say(f"The configuration cannot be used:\n{whole}")


def say(text: str) -> None:
    """Write to standard error, at once."""
    sys.stderr.write(text)
    sys.stderr.flush()
