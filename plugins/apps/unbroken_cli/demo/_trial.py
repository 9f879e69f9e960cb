"""One row of the demonstration: its call, and how that differs from what is required."""

import re
from collections.abc import Iterator
from time import monotonic
from typing import Literal

from attrs import define, field, frozen

from unbroken.errors import TimeoutError

from ._scenarios import Scenario

NoteKind = Literal["error", "decision", "stop", "commit"]


@frozen
class Note:
    """An error, a decision or the commit inside a call; ``stop`` is a decision to end the call."""

    kind: NoteKind
    text: str
    at: float
    """Seconds since the call began."""


@define(eq=False)
class Trial:
    """One call, while it runs and afterwards. One thread writes it, others may read it."""

    scenario: Scenario
    started: float = field(factory=monotonic)
    notes: list[Note] = field(factory=list[Note])
    text: str = ""
    """The text delivered so far."""
    meant: str = ""
    """The text that the server intended to send in its last answer."""
    error: BaseException | None = None
    """The error that the consumer got."""
    status: str = "running"
    request_id: str = ""
    attempts: int = 0
    requests: int = 0
    """Requests that the server received."""
    keys: int = 0
    """Distinct idempotency keys of these requests."""
    left_open: int = 0
    """Connections that are still open after the end."""
    seconds: float = 0.0
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the call has ended, as required."""
        return self.status != "running" and not self.problems

    @property
    def error_class(self) -> str | None:
        """The class name of the error that the consumer got."""
        return None if self.error is None else type(self.error).__name__

    @property
    def timeout(self) -> str | None:
        """The timeout that expired, if one did."""
        return self.error.timeout if isinstance(self.error, TimeoutError) else None

    @property
    def saw(self) -> str:
        """What the consumer saw, in a few words."""
        if self.error is None:
            return "the whole answer"
        label = error_label(self.error)
        words = f"{'all ' if self.text == self.meant else ''}{len(self.text.split())} words"
        return f"{words}, {label}" if self.text else label

    def note(self, kind: NoteKind, text: str) -> None:
        """Add a note with the present time."""
        self.notes.append(Note(kind, text, monotonic() - self.started))

    def finish(self) -> None:
        """Judge the call. Must come after the values of the server are set."""
        self.problems = tuple(problems(self))


def error_label(error: BaseException) -> str:
    """Return the class name of an error, with its timeout or status code."""
    detail = getattr(error, "timeout", None) or getattr(error, "status_code", None)
    return f"{type(error).__name__} ({detail})" if detail else type(error).__name__


def problems(trial: Trial) -> Iterator[str]:
    """Yield a sentence for each difference from what the scenario expects."""
    expect = trial.scenario.expect
    compared = (
        ("status", trial.status, "success" if expect.error is None else "failure"),
        ("error", trial.error_class, expect.error),
        ("timeout", trial.timeout, expect.timeout),
        ("status code", getattr(trial.error, "status_code", None), expect.status_code),
        ("retry_after", getattr(trial.error, "retry_after", None), expect.retry_after),
        ("attempts", trial.attempts, expect.attempts),
        ("requests at the server", trial.requests, expect.attempts),
        ("text", trial.text, first_words(trial.meant, expect.words)),
        ("connections left open", trial.left_open, 0),
    )
    for what, got, wanted in compared:
        if got != wanted:
            yield f"{what}: {got!r}, not {wanted!r}"
    if trial.keys > 1:
        yield f"{trial.keys} idempotency keys in one call"
    if not expect.at_least <= trial.seconds <= expect.at_most:
        yield f"took {trial.seconds:.2f} s, not {expect.at_least:g} to {expect.at_most:g} s"


def first_words(text: str, count: int | None) -> str:
    """Return the first `count` words of `text`, with the space before each; the whole text for None."""
    return text if count is None else "".join(re.findall(r"\s*\S+", text)[:count])
