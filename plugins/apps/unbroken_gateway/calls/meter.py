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
    _frame: int = field(default=1 << 30, init=False)
    """The bytes of an event that are not its text: learnt from the first text, before it from the smallest event."""
    _looks: int = field(default=16, init=False)
    """In so many more events text is looked for; a stream may have none, such as one of tools."""
    _look_at: int = field(default=0, init=False)
    """How many characters there must be before the cost is worked out again."""

    def take(self, stream: AsyncStream, events: Sequence[Event]) -> bool:
        """Count the events of one read. Returns whether it is time to look at the cost: never without a budget."""
        self.started = True
        for event in events:
            if event.type.endswith(_SPOKEN):
                size = len(event.raw)
                if self._looks:
                    self._learn(stream.text_of(event), size)
                if size > self._frame:
                    self.characters += size - self._frame
        changed, self.usage = stream.usage is not self.usage, stream.usage
        if not self.watched or (not changed and self.characters < self._look_at):
            return False
        self._look_at = self.characters + _STEP
        return True

    def _learn(self, text: str | None, size: int) -> None:
        self._looks = 0 if text else self._looks - 1
        self._frame = max(0, size - len(text)) if text else min(self._frame, size - 1)

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
