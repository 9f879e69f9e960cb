"""What a consumer writes down while it listens."""

from time import monotonic

from attrs import define, field


@define(eq=False)
class Heard:
    """Written by the consumer's thread, which may go on when nobody waits for it any more."""

    text: str = ""
    stop_reason: str | None = None
    """What the SDK's final message says; Unbroken needs none, it raises where there would be no reason."""
    attempts: int = 0
    started: float = field(factory=monotonic)
    error: Exception | None = None
    seconds: float | None = None
    """Until the consumer knew; None while it does not."""

    def begin(self) -> None:
        """Start the clock: the client is made, the call begins."""
        self.started = monotonic()

    def end(self, error: Exception | None = None) -> None:
        """Stop the clock."""
        self.error = error
        self.seconds = monotonic() - self.started
