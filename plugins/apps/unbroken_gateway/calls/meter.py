"""What one call has used so far: as the upstream counts it, estimated from the characters where it has not said."""

from collections.abc import Sequence
from typing import Final

from attrs import define, field

from unbroken import AsyncStream, Event, PlainAnswer, Usage

from ..values import Cost, Price
from . import prices

_SPOKEN: Final = ("delta", "message")
"""The ends of the types of events with output; those of Chat Completions have no type of their own."""
_STEP: Final = 256
"""Characters between two looks at the cost."""


@define(eq=False, kw_only=True)
class Meter:
    """Counts one call."""

    price: Price
    characters_per_token: float
    estimate: Cost
    """What was reserved: the input by its characters, the output by its cap."""
    estimated_input: int
    """The part of `estimate` that is input, in tokens."""
    watched: bool
    """Whether a budget may end the call."""
    usage: Usage | None = field(default=None, init=False)
    characters: int = field(default=0, init=False)
    """Characters delivered, about: the bytes of each event but for its frame."""
    started: bool = field(default=False, init=False)
    """Whether the upstream has begun to answer: before that, nothing is charged."""
    _frame: int | None = field(default=None, init=False)
    """The bytes of an event with text that are not its text; None until one has come."""
    _look_at: int = field(default=0, init=False)
    """How many characters there must be before the cost is worked out again."""

    def take(self, stream: AsyncStream, events: Sequence[Event]) -> bool:
        """Count the events of one read. Returns whether it is time to look at the cost: never without a budget."""
        self.started = True
        frame, usage = self._frame, stream.usage
        if frame is None:
            frame = self._frame = _frame(stream, events)
        if frame is not None:
            for event in events:
                size = len(event.raw)
                if size > frame and event.type.endswith(_SPOKEN):
                    self.characters += size - frame
        changed, self.usage = usage is not self.usage, usage
        if not self.watched or (not changed and self.characters < self._look_at):
            return False
        self._look_at = self.characters + _STEP
        return True

    def whole(self, answer: PlainAnswer) -> None:
        """Count an answer that was not streamed. Where it does not count itself, its length is estimated."""
        self.note(answer.usage)
        self.started = True
        if self.usage is None and self.estimate.tokens:
            self.characters = len(answer.content)

    def note(self, usage: Usage | None) -> None:
        """Take the usage of a call that has ended."""
        if usage is not None:
            self.usage, self.started = usage, True

    @property
    def counted(self) -> Usage:
        """The tokens used: those that the upstream has said, and estimates for the others."""
        said = self.usage or Usage()
        spoken = 0 if said.final else round(self.characters / self.characters_per_token)
        return Usage(
            input_tokens=self.estimated_input if said.input_tokens is None else said.input_tokens,
            output_tokens=max(spoken, said.output_tokens or 0),
            cache_read_tokens=said.cache_read_tokens or 0,
            cache_write_tokens=said.cache_write_tokens or 0,
        )

    @property
    def used(self) -> Cost:
        """What is to be settled now."""
        if not self.started:
            return Cost(requests=1)
        count = self.counted
        tokens = (
            (count.input_tokens or 0)
            + (count.output_tokens or 0)
            + (count.cache_read_tokens or 0)
            + (count.cache_write_tokens or 0)
        )
        return Cost(requests=1, tokens=tokens, micro_usd=prices.cost(self.price, count))

    @property
    def over(self) -> bool:
        """Whether more money was used than was reserved."""
        return self.used.micro_usd > self.estimate.micro_usd


def _frame(stream: AsyncStream, events: Sequence[Event]) -> int | None:
    """Return how many bytes of an event are not its text, from the first event that has any."""
    for event in events:
        text = stream.text_of(event)
        if text:
            return max(0, len(event.raw) - len(text))
    return None
