"""One call against one fault: what the program saw."""

from typing import Final, Literal

from attrs import frozen

Kind = Literal["whole", "error", "raw", "silent", "twice", "hang"]

SHOUTED: Final[dict[str, str]] = {"silent": "SILENT", "twice": "TWICE"}
GOOD: Final = ("whole", "error")
"""The kinds of an end that a program can trust."""


@frozen(kw_only=True)
class Cell:
    """One call of one client, bare or under Unbroken, after it ended or was given up."""

    client: str
    row: str
    protected: bool
    text: str
    """What arrived."""
    meant: str
    """What the server intended to send in its last answer."""
    hangs: bool
    error: str | None
    """The class of the exception, with its HTTP status if it has one."""
    typed: bool
    """Whether the exception is one that the client declares, not one that leaked from a library below it."""
    message: str | None
    requests: int
    elsewhere: int
    """Requests that another origin received."""
    leaks_prompt: bool
    leaks_key: bool
    seconds: float

    @property
    def kind(self) -> Kind:
        """What the program saw.

        ``whole``: the whole text once. ``silent``: success with text missing. ``twice``: text that was not meant to
        come there, because an answer began again. ``hang``: no end. ``raw``: an exception of a library below the
        client, of which its users do not know. ``error``: an exception of the client's own.
        """
        if not self.meant.startswith(self.text):
            return "twice"
        if self.hangs:
            return "hang"
        if self.error is not None:
            return "error" if self.typed else "raw"
        return "whole" if self.meant and self.text == self.meant else "silent"

    @property
    def good(self) -> bool:
        """Whether a program can trust the end of this call, and nothing went to another origin."""
        return self.kind in GOOD and not self.elsewhere

    @property
    def saw(self) -> str:
        """What the program saw, in a few words: for anything but the whole, with the words received and meant."""
        kind = self.kind
        words = f" {len(self.text.split())}/{len(self.meant.split())}" if self.meant and kind != "whole" else ""
        if self.error is not None and kind != "twice":
            return f"{'raw ' if kind == 'raw' else ''}{self.error}{words}"
        return f"{SHOUTED.get(kind, kind)}{words}"

    @property
    def counted(self) -> str:
        """The requests at the server, and behind a plus those at another origin."""
        return f"{self.requests}+{self.elsewhere}" if self.elsewhere else str(self.requests)
