"""What a log accepts from its writer. The memory and SQLite stores ask here; the Redis store says the same in Lua."""

from collections.abc import Iterable
from typing import Final

from . import Fenced, StreamState

FIRST_EPOCH: Final = 1
"""The epoch of the writer that creates the log."""


def accepts(
    state: StreamState, log_epoch: int, last: int, epoch: int, seq: int, count: int, end: StreamState | None
) -> bool:
    """Return whether to append `count` frames from number `seq`; False if they have been appended already.

    A writer repeats only its last append, so a repetition leaves the log exactly as it is. Raises Fenced and
    ValueError.
    """
    if epoch != log_epoch:
        raise Fenced
    ends_here = seq + count - 1 == last
    if state != "open":
        if state == end and ends_here:
            return False
        raise Fenced
    if seq == last + 1:
        return True
    if end is None and ends_here:
        return False
    raise ValueError(f"frame {last + 1} is next, not {seq}")


def surplus(sizes: Iterable[int], excess: int) -> int:
    """Return how many of the oldest frames of these `sizes` must go to save `excess` bytes, never the newest."""
    count = -1
    for size in sizes:
        count += 1
        if excess <= 0:
            return count
        excess -= size
    return max(count, 0)
