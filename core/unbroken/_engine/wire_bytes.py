"""The bytes of a stream as they came, for a consumer that decodes them itself. Does no I/O."""

import re
from typing import Final

from attrs import define, field

from ..sse import SSEDecoder

MOST_COMMENTS: Final = 1024 * 1024
"""The most bytes of comments that are kept until the next event; more of them are dropped."""

_LINE: Final = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)")
# Two of these bytes are the end of a line and a blank one. A cut between CR and LF is understood by every decoder.
_BLANK: Final = (b"\n\n", b"\n\r", b"\r\r")


@define(eq=False)
class WireBytes:
    """Keeps what was read until it is handed on, in such pieces that no event is handed on in part.

    So a failure can be told behind any piece.
    """

    _kept: bytearray = field(factory=bytearray, init=False)
    _whole: int = field(default=0, init=False)  # so many of them are whole events and comments
    _before: int = field(default=0, init=False)  # the same before the last `take`

    def take(self, chunk: bytes, *, at_boundary: bool) -> None:
        """Take the next bytes; `at_boundary`: they end where no event and no line is unfinished."""
        kept = self._kept
        kept += chunk
        self._before = self._whole
        if at_boundary:
            self._whole = len(kept)
            return
        start = max(0, self._whole - 1)
        ends = [place + 2 for place in (kept.rfind(blank, start) for blank in _BLANK) if place >= 0]
        self._whole = max(self._whole, *ends) if ends else self._whole

    def end_behind(self, events: int) -> None:
        """Drop what follows the first `events` of the bytes taken last."""
        decoder, place = SSEDecoder(), self._before
        while events > 0 and (line := _LINE.match(self._kept, place)) is not None:
            events -= len(decoder.feed(line[0]))
            place = line.end()
        self._whole = place
        del self._kept[place:]

    def end(self) -> bool:
        """Note that the stream has ended: what is left is whole. Returns whether there is anything."""
        self._whole = len(self._kept)
        return self._whole > 0

    def release(self) -> bytes:
        """Return what may be handed on, and keep the rest."""
        whole = bytes(self._kept[: self._whole])
        del self._kept[: self._whole]
        self._whole = 0
        return whole

    def drop_comments(self) -> None:
        """Drop what was kept if it is too much. Call it while only comments are kept."""
        if self._whole > MOST_COMMENTS:
            self.release()
