"""The terminal of a conversation: answers on standard output as they arrive, everything else on standard error."""

import sys
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from attrs import define, field
from rich.text import Text

from unbroken import (
    AuthenticationError,
    Call,
    Error,
    Plugin,
    TimeoutError,
    TruncatedStreamError,
    TryAgain,
    ValidationError,
    Wait,
)
from unbroken.decisions import Decision

from .._console import console, printable, say
from .._failure import TIMEOUT_HINT, Hints, failure_block

try:
    # Importing readline gives `input` line editing and a history. The history is not written to a file.
    import readline
except ImportError:  # a Python without it
    readline = None  # type: ignore[assignment]

PROMPT: Final = "> "
DEMO_PROMPT: Final = "demo> "
"""Where the embedded server makes the answers up."""

_HINTS: Final[Hints] = (
    (TruncatedStreamError, "what was printed is incomplete"),
    (TimeoutError, TIMEOUT_HINT),
    (
        AuthenticationError,
        "the server refused the credentials: ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY or UNBROKEN_TOKEN",
    ),
    (ValidationError, "the server refuses the request: the address, the model, or something in the conversation"),
)
_LONG_WAIT: Final = 0.3
"""Seconds. Shorter waits are not announced: the line would only flicker."""


@define(eq=False)
class Screen:
    """Writes to standard output and standard error, and reads lines from the terminal."""

    secrets: Sequence[str] = ()
    """Texts that are removed from errors before they are shown."""
    prompt: str = PROMPT
    _line_is_open: bool = field(default=False, init=False)

    def write(self, piece: str) -> None:
        """Write a piece of an answer and flush."""
        if piece:
            _write(printable(piece) if sys.stdout.isatty() else piece)
            self._line_is_open = not piece.endswith("\n")

    def end_line(self) -> None:
        """Write a newline if the answer has not ended with one."""
        if self._line_is_open:
            self._line_is_open = False
            _write("\n")

    def note(self, text: str) -> None:
        """Print information that is not part of an answer."""
        self._print(text, "dim")

    def warn(self, text: str) -> None:
        """Print a warning."""
        self._print(text, "yellow")

    def failure(self, error: Error) -> None:
        """Print what is known about a failed call."""
        self.end_line()
        say(failure_block(error, self.secrets, _HINTS))

    def ask(self) -> str | None:
        """Return the next line typed, or None to leave: after Ctrl-D, or Ctrl-C at an empty prompt."""
        while True:
            try:
                return input(self.prompt)
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


class Waiting(Plugin):
    """Announces each longer wait before it begins. Must come before the policies that decide to wait."""

    name: ClassVar[str] = "waiting"

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__()
        self._tell = tell

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Announce the wait that `decision` begins."""
        if decision.shadow:
            return
        if isinstance(decision, TryAgain) and decision.delay >= _LONG_WAIT:
            failure = type(call.error).__name__
            self._tell(f"{failure}, trying again in {decision.delay:.1f} s")
        elif isinstance(decision, Wait) and decision.seconds >= _LONG_WAIT:
            self._tell(f"waiting {decision.seconds:.1f} s, as {plugin} asks")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _typed() -> str:
    """Return the text typed after the prompt; empty without readline, which alone knows it."""
    return "" if readline is None else readline.get_line_buffer()
