"""One cell of the table: what one consumer saw of one fault."""

from collections.abc import Sequence
from typing import Any

from attrs import define

from unbroken_faults import ReceivedRequest

from ..demo import Trial, error_label
from ._consumers import KEY


@define(eq=False)
class Cell(Trial):
    """One call of one consumer, after its end or after it was given up."""

    given_up: float | None = None
    """Seconds after which nobody waited any longer; None when the call has ended."""
    stop_reason: str | None = None
    asked_for_gzip: bool = False
    elsewhere: Sequence[ReceivedRequest] = ()
    """What another origin got."""

    @property
    def outcome(self) -> str:
        """How it ended, in a few words."""
        if self.given_up is not None:
            return f"hangs (given up after {self.given_up:g} s)"
        return "success" if self.error is None else error_label(self.error)

    @property
    def words(self) -> str:
        """How many words arrived, of how many."""
        meant = len(self.meant.split())
        return f"{len(self.text.split())}/{meant}" if meant else "-"

    @property
    def sort(self) -> str:
        """Which of four ends it was: ``hang``, ``error``, ``whole`` or ``partial``, a success that is not whole."""
        if self.given_up is not None:
            return "hang"
        if self.error is not None:
            return "error"
        return "whole" if self.meant and self.text == self.meant else "partial"

    def sent_elsewhere(self) -> dict[str, Any]:
        """Return what another origin got to see."""
        return {
            "requests": len(self.elsewhere),
            "prompt": any(request.body for request in self.elsewhere),
            "key": any(KEY in value for request in self.elsewhere for value in request.headers.values()),
        }
