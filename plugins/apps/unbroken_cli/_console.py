"""Output of the commands: consoles, text that is safe for a terminal, messages on standard error, exit codes."""

import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

    from unbroken.errors import ConfigurationError

FAILED: Final = 1
"""Exit code: the call, the comparison or the look-up failed."""
UNUSABLE: Final = 2
"""Exit code: bad usage, bad configuration, or a package that is missing."""
INTERRUPTED: Final = 130
"""Exit code after Ctrl-C."""

PLAIN_WIDTH: Final = 100
"""Columns of a table that is written to a file or a pipe."""

# `str.isprintable` is False for these, but they are text: line feed and tab, the spaces of many languages (Unicode
# category Zs), and the two joiners that Persian and many emoji need.
_HARMLESS: Final = frozenset(
    "\n\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u200c\u200d"
)


def console(*, stderr: bool = False) -> "Console":
    """Return a console: colours where the terminal has them, plain text of a fixed width elsewhere."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = PLAIN_WIDTH
    return made


def tolerate_encodings() -> None:
    """Write ``?`` for characters that the encoding of the terminal lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def printable(text: str) -> str:
    """Return `text` with U+FFFD for what a terminal would obey: control characters, marks of text direction."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character in _HARMLESS else "\ufffd" for character in text)


def complain(error: "ConfigurationError") -> None:
    """Print all problems of a configuration on standard error, one per line."""
    lines: Iterable[str] = map(str, error.problems) if error.problems else error.message.splitlines()
    whole = "".join(f"  - {printable(line)}\n" for line in lines)
    say(f"The configuration cannot be used:\n{whole}")


def say(text: str) -> None:
    """Write to standard error and flush."""
    sys.stderr.write(text)
    sys.stderr.flush()
