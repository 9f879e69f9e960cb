"""The bytes of a stream as they came, for a consumer that decodes them itself. Does no I/O."""

import re
import sys
from typing import Final

from attrs import define, field

from ..sse import MAX_EVENT_SIZE, SSEDecoder

MOST_COMMENTS: Final = 1024 * 1024
"""So many bytes of comments are kept at least until the next event; of more than that, comments may be dropped."""

_LINE: Final = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)")
# Two of these bytes are the end of a line and a blank one. A cut between CR and LF is understood by every decoder.
_BLANK: Final = (b"\n\n", b"\n\r", b"\r\r")
# Lines that a decoder ignores; one is left of each run, within an event with its end: a CR may be half of a CRLF.
_IGNORED_LINE: Final = rb"(?!(?:\A\xef\xbb\xbf)?(?:data|event|id|retry)[:\r\n])[^\r\n]++"
_WITHIN: Final = re.compile(rb"(?:\A|(?<=[\r\n]))(?:%b(\r\n|\r|\n))+" % _IGNORED_LINE)
_BETWEEN: Final = re.compile(rb"(?:\A|(?<=\n\n|\n\r|\r\r))(?:(?:%b)?(?:\r\n|\r|\n))+" % _IGNORED_LINE)
_KNOWN: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:data|event|id|retry):")
_TELLING: Final = 9  # so many bytes of a line tell whether it is ignored, also behind a BOM


@define(eq=False, repr=False)
class WireBytes:
    """Keeps what was read until it is handed on, in such pieces that no event is handed on in part.

    So a failure can be told behind any piece. `most` is how many bytes of events there may be; where more are kept,
    lines that a decoder ignores are dropped.
    """

    most: int = MAX_EVENT_SIZE
    _kept: bytearray = field(factory=bytearray, init=False)
    _whole: int = field(default=0, init=False)  # so many of them are whole events and comments
    _before: int = field(default=0, init=False)  # the same before the last `take`
    _limit: int = field(init=False)  # when to drop comments
    _begun: bool = field(default=False, init=False)  # whether anything was handed on

    def __attrs_post_init__(self) -> None:
        self._limit = self.most + MOST_COMMENTS

    def take(self, chunk: bytes, *, at_boundary: bool) -> None:
        """Take the next bytes; `at_boundary`: they end where no event and no line is unfinished."""
        kept, looked_at = self._kept, len(self._kept)
        kept += chunk
        self._before = self._whole
        if at_boundary:
            self._whole = len(kept)
            return
        start = max(0, self._whole - 1, looked_at - 1)
        ends = [place + 2 for place in (kept.rfind(blank, start) for blank in _BLANK) if place >= 0]
        self._whole = max(self._whole, *ends) if ends else self._whole

    def end_behind(self, events: int) -> None:
        """Drop what follows the first `events` of the bytes taken last."""
        decoder, place = SSEDecoder(sys.maxsize), self._before
        if place or self._begun:
            decoder.feed(b"\n")  # a BOM stands at the start of a stream only
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
        self._begun = self._begun or bool(whole)
        self._whole = 0
        return whole

    def bound(self) -> None:
        """Drop comments if too much is kept. Call it when what was taken last needs no `end_behind`."""
        if len(self._kept) > self._limit:
            kept, whole = self._kept, _without_comments(self._kept[: self._whole])
            line = max(self._whole, kept.rfind(b"\n") + 1, kept.rfind(b"\r") + 1)  # the unfinished one
            rest, last = _without_comments(kept[self._whole : line]), kept[line:]
            if _KNOWN.match(last) is None:
                del last[_TELLING:]
            self._kept, self._whole = whole + rest + last, len(whole)
            self._limit = max(self.most + MOST_COMMENTS, 2 * len(self._kept))


def _without_comments(kept: bytearray) -> bytearray:
    return bytearray(_WITHIN.sub(rb":\1", _BETWEEN.sub(b":\n", kept)))
