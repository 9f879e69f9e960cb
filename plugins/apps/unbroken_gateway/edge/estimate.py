"""Estimates the tokens of a request from its bytes. Nothing is decoded or tokenised (rule R18)."""

import math
import re
from typing import Final

_BINARY_TOKENS: Final = 1_600
"""For an image or a file, whatever its size: base64 is not text, and the upstream counts at the end."""
_PIECE: Final = 64 * 1024
# No text has a word of this length.
_BINARY: Final = re.compile(rb"[A-Za-z0-9+/=]{512,}")


def input_tokens(body: bytes, characters_per_token: float) -> int:
    """Return about how many tokens the JSON `body` asks. Long runs of base64 count as one image or file each."""
    text, binaries, within = len(body), 0, False
    for start in range(0, len(body), _PIECE):  # other threads may run between two pieces
        piece, end = body[start : start + _PIECE], 0
        for run in _BINARY.finditer(piece):
            binaries += not (within and run.start() == 0)
            text -= run.end() - run.start()
            end = run.end()
        within = end == len(piece)
    return math.ceil(text / characters_per_token) + binaries * _BINARY_TOKENS
