"""The bytes of one HTTP/1.1 response become its head and its body (RFC 9112). No I/O.

Whatever a server sends ends in the body that it meant or in `Malformed`, in time linear in the number of bytes.
"""

import functools
import re
from typing import Final, final

from .head import Head, Malformed, framing, read_head

MAX_HEAD: Final = 100 * 1024
"""Bytes of one head."""
MAX_LINE: Final = 4096
"""Bytes of a line that announces a chunk, with its extensions, and of a trailer field."""
MAX_TRAILER: Final = 16 * 1024
"""Bytes of all trailer fields."""

_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")
_PREFIX = b"HTTP/1."
_BODYLESS = frozenset({204, 304})


# Where a chunked body stands, besides the number of bytes that are missing from the present chunk.
_SIZE: Final = 0
_BEHIND: Final = -1
_TRAILERS: Final = -2
_UNTIL_CLOSE: Final = -3


@final
class ResponseParser:
    """Takes the bytes of one response as they come. `head` is None until it is complete, `done` is the end."""

    __slots__ = (
        "_bodyless",
        "_chunked",
        "_early",
        "_left",
        "_rest",
        "_trailer",
        "done",
        "error",
        "head",
        "reusable",
        "surplus",
    )

    def __init__(self, *, bodyless: bool = False) -> None:
        """Expect no body with `bodyless`: the response to HEAD and to CONNECT has none (RFC 9112 §6.3)."""
        self.head: Head | None = None
        self.done = False
        self.reusable = False
        """Whether the connection may serve another exchange once this one is done."""
        self.surplus = False
        """Whether anything came behind the end."""
        self.error: Malformed | None = None
        """What is wrong behind the bytes that were returned last."""
        self._bodyless = bodyless
        self._early = bytearray()
        self._rest = b""
        self._chunked = False
        self._left = _UNTIL_CLOSE
        self._trailer = 0

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of the body that `data` holds. Raises Malformed; never before what stands in front of it."""
        if self.error is not None:
            raise self.error
        if self.head is None:
            data = self._read_heads(data)
            if self.head is None:
                return b""
        if self._chunked and not self.done:
            return self._dechunk(data)
        return self._plain(data)

    def end(self) -> bytes:
        """Take the end of the connection. Raises Malformed when the response is not complete."""
        if self.error is not None:
            raise self.error
        if self.head is None:
            raise Malformed("the server closed the connection without a response")
        if not self.done and self._left != _UNTIL_CLOSE:
            raise Malformed("the connection ended within the body of the response")
        self.done, self.reusable = True, False
        return b""

    def _read_heads(self, data: bytes) -> bytes:
        """Read the head, informational ones first (RFC 9110 §15.2). Returns what stands behind it."""
        early = self._early
        start = max(len(early) - 3, 0)
        early += data
        while True:
            if not early.startswith(_PREFIX[: len(early)]):
                raise Malformed("the server does not speak HTTP/1.1")
            end = early.find(b"\r\n\r\n", start)
            if (len(early) if end < 0 else end) > MAX_HEAD:
                raise Malformed(f"the head of the response has more than {MAX_HEAD} bytes")
            if end < 0:
                return b""
            head = read_head(early[:end].decode("latin-1"))
            del early[: end + 4]
            start = 0
            if head.status == 101:
                raise Malformed("the server switches protocols though nothing asked it to")
            if head.status >= 200:
                break
        self._frame(head)
        self.head = head
        rest = bytes(early)
        early.clear()
        return rest

    def _frame(self, head: Head) -> None:
        """Find out where the body ends (RFC 9112 §6.3) and whether the connection can be used again (§9.3)."""
        lengths, codings, connection = framing(head.fields)
        if lengths and (len(lengths) > 1 or not _LENGTH.fullmatch(next(iter(lengths)))):
            raise Malformed("the response has a Content-Length that is not one number")
        self.reusable = head.version == "HTTP/1.1" and "close" not in connection
        if self._bodyless or head.status in _BODYLESS:
            self._left = 0
        elif codings:
            # Together with a length this is how responses are smuggled: the engine refuses it.
            self.reusable = self.reusable and not lengths
            if codings != ["chunked"]:
                raise Malformed("the response has a transfer coding other than chunked")
            self._chunked, self._left = True, _SIZE
            return
        elif lengths:
            self._left = int(lengths.pop())
        self.done = self._left == 0

    def _plain(self, data: bytes) -> bytes:
        """Take a body with a length, one until the connection closes, and what follows any body."""
        if self.done:
            if data:
                self.surplus, self.reusable = True, False
            return b""
        if self._left == _UNTIL_CLOSE:
            self.reusable = False
            return data
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data
        self.done = True
        if left == 0:
            return data
        self.surplus, self.reusable = True, False
        return data[:left]

    def _dechunk(self, data: bytes) -> bytes:
        """Take a chunked body (RFC 9112 §7.1)."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        pieces: list[bytes] = []
        try:
            position = 0
            while position < len(data) and not self.done:
                if self._left > 0:
                    position = self._within_chunk(data, position, pieces)
                else:
                    position = self._next_line(data, position, pieces)
            if position < len(data):
                self.surplus, self.reusable = True, False
        except Malformed as error:
            if not pieces:
                raise
            self.error = error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _within_chunk(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        piece = data[position : position + self._left]
        pieces.append(piece)
        self._left = self._left - len(piece) or _BEHIND
        return position + len(piece)

    def _next_line(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        """Read a line of the framing and, while whole chunks follow, those as well. Returns where it stopped."""
        while True:
            if self._left == _BEHIND:
                position = self._behind_chunk(data, position)
            end = data.find(b"\r\n", position, position + MAX_LINE)
            if end < 0:
                return self._incomplete(data, position)
            if self._left == _TRAILERS:
                self._read_trailer(data[position:end])
                return end + 2
            size = chunk_size(data[position:end])
            position = end + 2
            if not size:
                self._left = _TRAILERS
                return position
            end = position + size
            if not data.startswith(b"\r\n", end):
                self._left = size
                return position
            pieces.append(data[position:end])
            position = end + 2

    def _behind_chunk(self, data: bytes, position: int) -> int:
        """Skip the line end behind the data of a chunk."""
        if data.startswith(b"\r\n", position):
            self._left = _SIZE
            return position + 2
        if data[position:] != b"\r":
            raise Malformed("a chunk of the response is longer than announced")
        return position

    def _incomplete(self, data: bytes, position: int) -> int:
        """Keep a line whose end has not arrived."""
        if len(data) - position >= MAX_LINE:
            raise Malformed(f"a line within the chunked body has more than {MAX_LINE} bytes")
        self._rest = data[position:]
        return len(data)

    def _read_trailer(self, line: bytes) -> None:
        """Check a trailer field and forget it (RFC 9110 §6.5.1); the empty line is the end of the body."""
        if not line:
            self.done = True
            return
        self._trailer += len(line) + 2
        if self._trailer > MAX_TRAILER or not _TRAILER.fullmatch(line):
            raise Malformed("the trailer of the response is malformed or too large")


@functools.lru_cache(maxsize=1024)
def chunk_size(line: bytes) -> int:
    """Return the size that a line announces. Raises Malformed."""
    found = _CHUNK.fullmatch(line)
    if found is None:
        raise Malformed("a chunk of the response has a malformed size")
    return int(found[1], 16)
