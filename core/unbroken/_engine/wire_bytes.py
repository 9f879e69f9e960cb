"""The bytes of a stream as they came, for a consumer that decodes them itself. Does no I/O."""

import sys
from typing import Final

from attrs import define, field

from ..framing import MAX_EVENT_SIZE, Framing
from ..framings import SSE

MOST_COMMENTS: Final = 1024 * 1024
"""So many bytes of comments are kept at least until the next event; of more than that, comments may be dropped."""


@define(eq=False, repr=False)
class WireBytes:
    """Keeps what was read until it is handed on, in such pieces that no event is handed on in part.

    So a failure can be told behind any piece. `most` is how many bytes of events there may be; where more are kept,
    keep-alives of the framing are dropped.
    """

    most: int = MAX_EVENT_SIZE
    framing: Framing = SSE
    _kept: bytearray = field(factory=bytearray, init=False)
    _whole: int = field(default=0, init=False)  # so many of them are whole events and comments
    _before: int = field(default=0, init=False)  # the same before the last `take`
    _limit: int = field(init=False)  # when to drop comments
    _begun: bool = field(default=False, init=False)  # whether anything was handed on

    def __attrs_post_init__(self) -> None:
        self._limit = self.most + MOST_COMMENTS

    def take(self, chunk: bytes, *, at_boundary: bool) -> None:
        """Take the next bytes; `at_boundary`: they end where no event and no line is unfinished."""
        kept, seen = self._kept, len(self._kept)
        kept += chunk
        self._before = self._whole
        self._whole = len(kept) if at_boundary else self.framing.whole_end(kept, self._whole, seen)

    def end_behind(self, events: int) -> None:
        """Drop what follows the first `events` of the bytes taken last."""
        framing, kept, place = self.framing, self._kept, self._before
        decoder = framing.decoder_within() if place or self._begun else framing.decoder(sys.maxsize)
        while events > 0 and (end := framing.unit_end(kept, place)) > place:
            events -= len(decoder.feed(bytes(kept[place:end])))
            place = end
        self._whole = place
        del kept[place:]

    def end(self) -> bool:
        """Note that the stream has ended: what is left is whole. Returns whether there is anything."""
        self._whole = len(self._kept)
        return self._whole > 0

    def release(self) -> bytes:
        """Return what may be handed on, and keep the rest."""
        whole = bytes(self._kept[: self._whole])
        del self._kept[: self._whole]
        self._begun = self._begun or bool(whole)
        self._whole = 0
        return whole

    def bound(self) -> None:
        """Drop keep-alives if too much is kept. Call it when what was taken last needs no `end_behind`."""
        if len(self._kept) > self._limit:
            self._kept, self._whole = self.framing.without_keepalives(self._kept, self._whole)
            self._limit = max(self.most + MOST_COMMENTS, 2 * len(self._kept))
