"""What a conversation looks like: answers on standard output as they come, all else on standard error."""

import sys
from collections.abc import Sequence
from typing import Final

from attrs import define, field
from rich.text import Text

from unbroken import AuthenticationError, Error, TimeoutError, TruncatedStreamError, ValidationError

from .._console import console, printable, say
from .._failure import Hints, failure_block

try:
    # Importing it is what gives `input` line editing and a history; no file is kept of that.
    import readline
except ImportError:  # a Python without it
    readline = None  # type: ignore[assignment]

PROMPT: Final = "> "

_HINTS: Final[Hints] = (
    (TruncatedStreamError, "what was printed is incomplete"),
    (TimeoutError, "the timeouts are settings of the timeout plugin: UNBROKEN_TIMEOUT__IDLE=120 and the like"),
    (AuthenticationError, "the server refused the credentials: ANTHROPIC_API_KEY, UNBROKEN_TOKEN or OPENAI_API_KEY"),
    (ValidationError, "the server refuses the request: the address, the model, or something in the conversation"),
)


@define(eq=False)
class Screen:
    """Writes to wherever standard output and standard error lead, and reads lines from a terminal."""

    secrets: Sequence[str] = ()
    """Never shown as part of an error."""
    _line_is_open: bool = field(default=False, init=False)

    def write(self, piece: str) -> None:
        """Write a piece of an answer, at once."""
        if piece:
            _write(printable(piece) if sys.stdout.isatty() else piece)
            self._line_is_open = not piece.endswith("\n")

    def end_line(self) -> None:
        """End the line that an answer has begun."""
        if self._line_is_open:
            self._line_is_open = False
            _write("\n")

    def note(self, text: str) -> None:
        """Say something that is no answer."""
        self._print(text, "dim")

    def warn(self, text: str) -> None:
        """Say that something went wrong."""
        self._print(text, "yellow")

    def failure(self, error: Error) -> None:
        """Show what is known about a failed call."""
        self.end_line()
        say(failure_block(error, self.secrets, _HINTS))

    def ask(self) -> str | None:
        """Return the next line that is typed, None to leave: Ctrl-D, or Ctrl-C at an empty prompt."""
        while True:
            try:
                return input(PROMPT)
            except EOFError:
                _write("\n")
                return None
            except KeyboardInterrupt:
                _write("\n")
                if not _typed():
                    return None
            except UnicodeDecodeError:
                self.warn("That was not UTF-8.")

    def _print(self, text: str, style: str) -> None:
        self.end_line()
        out = console(stderr=True)
        out.print(Text(printable(text), style), soft_wrap=not out.is_terminal)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _typed() -> str:
    """Return what stands behind the prompt; without readline nobody knows, and that counts as nothing."""
    return "" if readline is None else readline.get_line_buffer()
