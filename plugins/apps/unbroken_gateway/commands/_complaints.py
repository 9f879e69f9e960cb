"""What the commands print of a configuration that cannot be used."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unbroken import ConfigurationError


def complain(error: "ConfigurationError") -> None:
    """Print every problem of a configuration on standard error."""
    lines = [str(problem) for problem in error.problems] or error.message.splitlines()
    text = "".join(f"  - {printable(line)}\n" for line in lines)
    sys.stderr.write(f"The configuration cannot be used:\n{text}")


def printable(text: str) -> str:
    """Return `text` with U+FFFD for what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
