"""A chunk of the ordinary form: one candidate that goes on, with one part of text or of a thought."""

from typing import Any, Literal

import msgspec


# No field is skipped: a decoder does not look into what it skips, where there may be a number that is too large.
class _Part(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    text: str
    thought: bool = False


class _Content(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    parts: list[_Part]
    role: Any = None


class _Candidate(msgspec.Struct, gc=False, forbid_unknown_fields=True, rename="camel"):
    content: _Content
    index: int = 0
    finish_reason: Literal["", "FINISH_REASON_UNSPECIFIED", None] = None
    safety_ratings: Any = None
    token_count: Any = None


class _Chunk(msgspec.Struct, gc=False, forbid_unknown_fields=True, rename="camel"):
    candidates: list[_Candidate]
    usage_metadata: Any = None
    model_version: str = ""
    response_id: str = ""
    create_time: Any = None


class Plain(msgspec.Struct, gc=False):
    """What a chunk of the ordinary form says."""

    index: int
    text: str
    is_thought: bool
    has_counts: bool
    model: str
    id: str


# Faster than searching the bytes for the deciding names, and never misled by names inside a text.
_decode = msgspec.json.Decoder(_Chunk).decode


def plain_in(raw: bytes) -> Plain | None:
    """Return what a chunk of the ordinary form says, None for any other data."""
    try:
        chunk = _decode(raw)
        (candidate,) = chunk.candidates
        (part,) = candidate.content.parts
    except (ValueError, RecursionError):
        return None
    counts = chunk.usage_metadata
    counted = isinstance(counts, dict) and counts != {}
    return Plain(candidate.index, part.text, part.thought, counted, chunk.model_version, chunk.response_id)
