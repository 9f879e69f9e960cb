"""A client that can be examined, and what all of them are asked."""

from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from attrs import frozen

from ._rows import Row

KEY: Final = "sk-unbroken-doctor"
MODEL: Final = "claude-unbroken"
ASKED: Final = "Tell me how you are."
MESSAGES: Final = [{"role": "user", "content": ASKED}]

Say = Callable[[str], None]
"""Takes the text as it arrives, piece by piece."""


@frozen(kw_only=True)
class Client:
    """One client: how it is made, and how it is asked."""

    name: str
    """The name of its distribution."""
    own: tuple[str, ...]
    """The packages whose exceptions its users expect: its own and the one that it stands on."""
    make: Callable[[str, float], Any]
    """Takes the URL of the server and a timeout in seconds; returns what `protect` takes."""
    stream: Callable[[Any, Say], None]
    plain: Callable[[Any, Say], None]
    path: str = "/v1/chat/completions"
    """Where it asks for a stream."""
    without: frozenset[str] = frozenset()
    """The rows that have no meaning in its API."""
    extras: str = ""
    """What must be installed with it, in square brackets."""
    one_at_a_time: bool = False
    """Whether its state is that of the process, so that no two calls may run beside each other."""

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        """Return those of `rows` that have a meaning in its API."""
        return [row for row in rows if row.name not in self.without]

    @property
    def requirement(self) -> str:
        """What pip installs."""
        return f"{self.name}{self.extras}"

    @property
    def version(self) -> str | None:
        """The version that is installed, None if none is."""
        try:
            return version(self.name)
        except PackageNotFoundError:
            return None


def say_pieces(pieces: Iterable[str | None], say: Say) -> None:
    """Say each of `pieces`; None is an empty one."""
    for piece in pieces:
        say(piece or "")


def say_chunks(stream: Iterable[Any], say: Say) -> None:
    """Say the text of each chunk of Chat Completions."""
    say_pieces((chunk.choices[0].delta.content for chunk in stream if chunk.choices), say)
