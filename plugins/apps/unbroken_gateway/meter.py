"""What one call has used so far: as the upstream counts it, estimated from the characters where it has not said."""

from collections.abc import Sequence

from attrs import define, field

from unbroken import AsyncStream, Event, PlainAnswer, Usage

from . import prices
from .values import Cost, Price


@define(eq=False, kw_only=True)
class Meter:
    """Counts one call."""

    price: Price
    characters_per_token: float
    estimate: Cost
    """What was reserved: the input by its characters, the output by its cap."""
    estimated_input: int
    """The part of `estimate` that is input, in tokens."""
    usage: Usage | None = field(default=None, init=False)
    characters: int = field(default=0, init=False)
    """Characters of text delivered."""
    started: bool = field(default=False, init=False)
    """Whether the upstream has begun to answer: before that, nothing is charged."""

    def take(self, stream: AsyncStream, events: Sequence[Event]) -> None:
        """Count the events of one read."""
        self.started = True
        self.usage = stream.usage
        if self.usage is None or not self.usage.final:
            self.characters += sum(len(text) for event in events if (text := stream.text_of(event)) is not None)

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
