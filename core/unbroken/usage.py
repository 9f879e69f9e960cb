"""What a server says of an answer as a whole: the tokens that it took, and what it is."""

from typing import final

from attrs import frozen


@final
@frozen(kw_only=True)
class Summary:
    """What the server has said about the answer as a whole."""

    id: str | None = None
    """The id of the message, the completion or the response."""
    model: str | None = None
    """The model that answers, which may be another than the one asked for."""
    finish_reasons: tuple[str, ...] = ()
    """Why the answer ended, in the words of the API, one for each choice; empty until the server has said it."""


@final
@frozen(kw_only=True)
class Usage:
    """The tokens that a call consumed. A count is None if the server has not given it."""

    input_tokens: int | None = None
    """Input tokens at full price, as the API counts them."""
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    final: bool = False
    """False while the counts are the server's placeholders from the start of the stream."""

    def updated(self, later: "Usage") -> "Usage":
        """Return these counts overwritten by those that `later` has. Counts are cumulative, so they are never added."""
        return Usage(
            input_tokens=_later(later.input_tokens, self.input_tokens),
            output_tokens=_later(later.output_tokens, self.output_tokens),
            cache_read_tokens=_later(later.cache_read_tokens, self.cache_read_tokens),
            cache_write_tokens=_later(later.cache_write_tokens, self.cache_write_tokens),
            final=self.final or later.final,
        )

    def advanced(self, later: "Usage") -> "Usage":
        """Return these counts overwritten by those that `later` has, unless they are smaller.

        Within an attempt counts only grow; a smaller one, such as a zero at the end, is a mistake of the server. The
        input counts are compared as a sum, because part of the input can turn out to come from the cache.
        """
        kept = self.updated(later)
        output = _larger(self.output_tokens, later.output_tokens)
        if kept._input() >= self._input():
            return Usage(
                input_tokens=kept.input_tokens,
                output_tokens=output,
                cache_read_tokens=kept.cache_read_tokens,
                cache_write_tokens=kept.cache_write_tokens,
                final=kept.final,
            )
        return Usage(
            input_tokens=_larger(self.input_tokens, later.input_tokens),
            output_tokens=output,
            cache_read_tokens=_larger(self.cache_read_tokens, later.cache_read_tokens),
            cache_write_tokens=_larger(self.cache_write_tokens, later.cache_write_tokens),
            final=kept.final,
        )

    def _input(self) -> int:
        return (self.input_tokens or 0) + (self.cache_read_tokens or 0) + (self.cache_write_tokens or 0)


def _later(new: int | None, old: int | None) -> int | None:
    return old if new is None else new


def _larger(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)
