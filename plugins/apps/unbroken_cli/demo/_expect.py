"""How a call has to end, and what is wrong with how it ended."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from attrs import frozen

if TYPE_CHECKING:
    from ._trial import Trial


@frozen(kw_only=True)
class Expect:
    """How a call has to end. The default is a complete answer at the first attempt."""

    error: str | None = None
    """The class of the error that the consumer gets."""
    clock: Literal["connect", "first_event", "idle", "total"] | None = None
    """Which clock the error names."""
    status_code: int | None = None
    retry_after: float | None = None
    """What the error repeats of the server's hint, in seconds."""
    attempts: int = 1
    words: int | None = None
    """How many words were delivered, each once, from the first on; None: all of them."""
    at_least: float = 0.0
    """Seconds that the call has to take: a clock, or a wait that the server asked for."""
    at_most: float = 4.0
    """Seconds. Generous, for slow machines; what it tells apart is "at once" and "never"."""
    closed: bool = False
    """Whether the client lets go of the connection by itself, there being no way to use it again."""

    def problems(self, trial: "Trial") -> Iterator[str]:
        """Yield what is not as required, in words."""
        compared = (
            ("status", trial.status, "success" if self.error is None else "failure"),
            ("error", trial.error_class, self.error),
            ("clock", trial.clock, self.clock),
            ("status code", getattr(trial.error, "status_code", None), self.status_code),
            ("retry_after", getattr(trial.error, "retry_after", None), self.retry_after),
            ("attempts", trial.attempts, self.attempts),
            ("requests at the server", trial.requests, self.attempts),
            ("text", trial.text, first_words(trial.meant, self.words)),
            ("connections left open", trial.left_open, 0),
        )
        for what, got, wanted in compared:
            if got != wanted:
                yield f"{what}: {got!r}, not {wanted!r}"
        if trial.keys > 1:
            yield f"{trial.keys} idempotency keys in one call"
        if not self.at_least <= trial.seconds <= self.at_most:
            yield f"took {trial.seconds:.2f} s, not {self.at_least:g} to {self.at_most:g} s"


def first_words(text: str, count: int | None) -> str:
    """Return the beginning of `text`, all of it for None: what a server that speaks word by word has said."""
    return text if count is None else "".join(re.findall(r"\s*\S+", text)[:count])
